/** A head out of a file's bytes: our own, or a GLB, glTF or VRM that somebody dropped. Nothing is fetched for it. */
import { Box3, Group, type Material, type Mesh, type Object3D, type SkinnedMesh, Vector3 } from "three";
import { type GLTF, GLTFLoader } from "three/addons/loaders/GLTFLoader.js";
import { expressionTargets, HeadError, headNode, type Json, readDocument } from "./document";
import type { Looks } from "./looks";
import { ARKIT, match } from "./names";
import { type Bind, type Neck, Puppet, type Targets } from "./puppet";

/**
 * matched, missing: ARKit channels that move this head by name, and those that do not. meshes: names of those that
 * move. notes: sentences for people about what this head cannot do.
 */
export interface HeadReport {
  readonly matched: readonly string[];
  readonly missing: readonly string[];
  readonly meshes: readonly string[];
  readonly notes: readonly string[];
}

export interface OpenedHead {
  readonly puppet: Puppet;
  readonly report: HeadReport;
  /** Its materials are its own and want lamps; ours are painted by `Looks`. */
  readonly foreign: boolean;
}

/** The box of what moves on our own head, measured: all of it, or only what vowels and blinks move. What is within
 * NEAR of it stays as it is. */
const OUR_BOX = {
  whole: { size_m: 0.17, middle: new Vector3(0, -0.002, 0.057) },
  vowels: { size_m: 0.14, middle: new Vector3(0, -0.017, 0.058) },
};
const NEAR = 0.1; // of its size

/**
 * Read a head.
 *
 * @param bytes a GLB, a VRM (which is one), or a glTF as text with everything inside
 * @throws HeadError: what is wrong with the file and what to do about it
 */
export async function openHead(bytes: ArrayBuffer, looks: Looks): Promise<OpenedHead> {
  const json = readDocument(bytes);
  const gltf = await parsed(bytes);
  const root = new Group();
  root.add(gltf.scene);
  if (json.extensions?.VRM) gltf.scene.rotation.y = Math.PI; // VRM 0 looks along -Z
  const ours = Boolean(json.asset?.generator?.startsWith("voxface head"));
  const targets = chosenTargets(meshTargets(gltf.scene), await expressions(gltf, json));
  const meshes = new Set([...targets.values()].flat().map((bind) => bind.mesh));
  if (meshes.size === 0) {
    throw new HeadError("This file has no morph targets, so nothing in it can move. Export it with its shape keys.");
  }
  gltf.scene.traverse((object) => dress(object as Mesh, ours ? looks : null));
  root.updateMatrixWorld(true);
  const puppet = new Puppet(root, targets, await neckOf(gltf, json, ours));
  fit(puppet);
  return { puppet, report: reportOf(puppet, [...meshes]), foreign: !ours };
}

async function parsed(bytes: ArrayBuffer): Promise<GLTF> {
  try {
    return await new GLTFLoader().parseAsync(bytes, "");
  } catch (error) {
    throw new HeadError(`This file cannot be read as glTF: ${(error as Error).message}. Does it pass a validator?`);
  }
}

function meshTargets(scene: Object3D): Map<string, Bind[]> {
  const targets = new Map<string, Bind[]>();
  scene.traverse((object) => {
    const mesh = object as Mesh;
    for (const [name, index] of Object.entries(mesh.morphTargetDictionary ?? {})) {
      const binds = targets.get(name) ?? targets.set(name, []).get(name)!;
      binds.push({ mesh, index, gain: 1 });
    }
  });
  return targets;
}

async function expressions(gltf: GLTF, json: Json): Promise<Map<string, Bind[]>> {
  const targets = new Map<string, Bind[]>();
  for (const { name, node, index, gain } of expressionTargets(json)) {
    const object = (await gltf.parser.getDependency("node", node)) as Object3D;
    object.traverse((child) => {
      const mesh = child as Mesh;
      const own = child === object || child.parent === object; // a node's mesh, or its primitives
      if (!own || !mesh.isMesh || index >= (mesh.morphTargetInfluences?.length ?? 0)) return;
      const binds = targets.get(name) ?? targets.set(name, []).get(name)!;
      binds.push({ mesh, index, gain });
    });
  }
  return targets;
}

/** A VRM's expressions, unless its meshes know more of the 52 names themselves. */
function chosenTargets(own: Targets, expressed: Targets): Targets {
  const known = (targets: Targets) => match(ARKIT, [...targets.keys()]);
  const [meshes, vrm] = [known(own), known(expressed)];
  return expressed.size > 0 && vrm.matched.length >= meshes.matched.length && vrm.links.length > 0 ? expressed : own;
}

function dress(mesh: Mesh, looks: Looks | null): void {
  if (!mesh.isMesh) return;
  mesh.frustumCulled = false; // its bounds would have to be found anew for every pose
  const material = looks?.of((mesh.material as Material).name);
  if (material) mesh.material = material;
}

async function neckOf(gltf: GLTF, json: Json, ours: boolean): Promise<Neck | null> {
  const node = headNode(json);
  if (node === null) return null;
  return { joint: (await gltf.parser.getDependency("node", node)) as Object3D, steps: ours };
}

/** Scale and place a head so that what moves on it lies where it does on ours: cameras and lights are made for that. A
 * whole body with one mesh shows its face. */
function fit(puppet: Puppet): void {
  const { links, matched } = puppet.matching(ARKIT);
  const binds = links.flatMap((link) => [...(puppet.targets.get(link.target) ?? [])]);
  const box = new Box3();
  for (const bind of binds) growBy(box, bind);
  if (box.isEmpty()) box.setFromObject(puppet.root);
  const size = box.getSize(new Vector3());
  const ours = matched.length > 0 ? OUR_BOX.whole : OUR_BOX.vowels;
  const scale = ours.size_m / Math.max(size.x, size.y, 1e-6);
  const middle = box.getCenter(new Vector3());
  if (Math.abs(scale - 1) < NEAR && middle.distanceTo(ours.middle) < NEAR * ours.size_m) return;
  puppet.root.position.copy(middle).multiplyScalar(-scale).add(ours.middle);
  puppet.root.scale.setScalar(scale);
}

function growBy(box: Box3, { mesh, index }: Bind): void {
  const moves = mesh.geometry.morphAttributes.position?.[index];
  if (!moves) return;
  const point = new Vector3();
  const skinned = (mesh as SkinnedMesh).isSkinnedMesh ? (mesh as SkinnedMesh) : null;
  const places = mesh.geometry.attributes.position!;
  const step = Math.max(1, Math.floor(moves.count / 5000));
  const largest = longest(moves);
  for (let vertex = 0; vertex < moves.count; vertex += step) {
    if (point.fromBufferAttribute(moves, vertex).length() < largest / 4) continue;
    point.fromBufferAttribute(places, vertex);
    skinned?.applyBoneTransform(vertex, point);
    box.expandByPoint(point.applyMatrix4(mesh.matrixWorld));
  }
}

function longest(moves: { count: number; getX(i: number): number; getY(i: number): number; getZ(i: number): number }) {
  let result = 1e-9;
  for (let vertex = 0; vertex < moves.count; vertex++) {
    result = Math.max(result, Math.hypot(moves.getX(vertex), moves.getY(vertex), moves.getZ(vertex)));
  }
  return result;
}

function reportOf(puppet: Puppet, meshes: readonly Mesh[]): HeadReport {
  const { links, matched, missing } = puppet.matching(ARKIT);
  const notes = [];
  if (links.length === 0) {
    const names = [...puppet.targets.keys()].slice(0, 4).join(", ");
    notes.push(`None of this head's targets (${names} ...) has a name that ARKit, VRM or Oculus uses: it stays still.`);
  } else if (links.some((link) => link.reduced && link.source !== "blink")) {
    notes.push("This head knows vowels only: its mouth shows a rough reduction of the clip.");
  }
  if (!puppet.neck) notes.push("This head has no joint called head: it does not turn.");
  const names = meshes.map((mesh) => mesh.name || mesh.parent?.name || "unnamed");
  return { matched, missing, meshes: [...new Set(names)], notes };
}
