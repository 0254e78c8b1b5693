// What three.js reads from a GLB, as JSON: for every mesh its material, vertices, and the sum of every target's moves.
// node tests/three_reads.mjs FILE
import { readFile } from "node:fs/promises";

globalThis.self = globalThis; // the loader expects a browser
const { GLTFLoader } = await import(new URL("../web/node_modules/three/examples/jsm/loaders/GLTFLoader.js", import.meta.url));
const bytes = new Uint8Array(await readFile(process.argv[2])).buffer;
const { scene } = await new GLTFLoader().parseAsync(bytes, "");
const meshes = [];
scene.traverse((mesh) => {
  if (!mesh.isMesh) return;
  const moves = Object.entries(mesh.morphTargetDictionary).map(([name, row]) => {
    const moved = mesh.geometry.morphAttributes.position[row];
    const sum = [0, 0, 0];
    for (let vertex = 0; vertex < moved.count; vertex++) {
      for (let axis = 0; axis < 3; axis++) sum[axis] += moved.getComponent(vertex, axis);
    }
    return [name, sum];
  });
  const joints = mesh.skeleton.bones.map((bone) => bone.name);
  meshes.push({ material: mesh.material.name, vertices: mesh.geometry.attributes.position.count, joints, moves: Object.fromEntries(moves) });
});
console.log(JSON.stringify(meshes));
