/** A head in the scene that takes poses: channels by name move its targets, a quaternion turns its joint. */
import { Group, type Mesh, type Object3D, Quaternion, Vector3 } from "three";
import { clone } from "three/addons/utils/SkeletonUtils.js";
import type { HeadPose } from "./headpose";
import { match, type Matching, REDUCED, reduce, type Reduced } from "./names";

/** One morph target of one mesh, and how far a name of 1 moves it. */
export interface Bind {
  readonly mesh: Mesh;
  readonly index: number;
  readonly gain: number;
}

/** Morph targets by the names that channels are matched with: a mesh's own names, or a VRM's expressions. */
export type Targets = ReadonlyMap<string, readonly Bind[]>;

/** What turns with the head, and whether it also takes the small steps of the head pose. */
export interface Neck {
  readonly joint: Object3D;
  readonly steps: boolean;
}

const turn = new Quaternion(); // scratch

/**
 * Binds of all meshes that share one list of targets share one array of influences, so a pose writes each weight once.
 * Nothing is allocated while the clip's channels stay the same.
 */
export class Puppet {
  readonly #influences: number[][] = []; // per place
  readonly #indices: number[] = []; // per place: into its array of influences
  readonly #sums: Float32Array; // per place: scratch
  #sources = new Int32Array(); // per bind in use: column of values, or channels.length + index into REDUCED
  #places = new Int32Array(); // per bind in use
  #gains = new Float32Array(); // per bind in use
  #values = new Float32Array(); // per column, then per reduced pose: in [0, 1]
  #channels: readonly string[] | null = null;
  #columns = new Map<string, number>();
  #reduces = false;
  readonly #placed = new Map<number[], Map<number, number>>(); // array of influences, index: place
  readonly #reduced = Object.fromEntries(REDUCED.map((name) => [name, 0])) as Record<Reduced, number>;
  readonly #rest = new Quaternion(); // of the joint
  readonly #restPlace = new Vector3();
  readonly #parent = new Quaternion(); // from the joint's parent's axes to the root's, at rest
  readonly #unparent = new Quaternion(); // the way back

  constructor(
    readonly root: Group,
    readonly targets: Targets,
    readonly neck: Neck | null,
  ) {
    this.#sums = new Float32Array(this.#enumerate());
    if (!neck) return;
    root.updateMatrixWorld(true);
    this.#rest.copy(neck.joint.quaternion);
    this.#restPlace.copy(neck.joint.position);
    root.getWorldQuaternion(turn).invert();
    neck.joint.parent?.getWorldQuaternion(this.#parent).premultiply(turn);
    this.#unparent.copy(this.#parent).invert();
  }

  /** The same head a second time: geometry and materials are shared, the pose is not. */
  twin(): Puppet {
    const root = clone(this.root) as Group;
    const from: Object3D[] = [];
    const to: Object3D[] = [];
    this.root.traverse((object) => from.push(object));
    root.traverse((object) => to.push(object));
    const twin = new Map(from.map((object, at) => [object, to[at]!]));
    const binds = (list: readonly Bind[]) => list.map((bind) => ({ ...bind, mesh: twin.get(bind.mesh) as Mesh }));
    const targets = new Map([...this.targets].map(([name, list]) => [name, binds(list)]));
    const neck = this.neck && { ...this.neck, joint: twin.get(this.neck.joint)! };
    if (neck) neck.joint.quaternion.copy(this.#rest), neck.joint.position.copy(this.#restPlace);
    return new Puppet(root, targets, neck);
  }

  /** Which of these channels move what on this head. */
  matching(channels: readonly string[]): Matching {
    return match(channels, [...this.targets.keys()]);
  }

  /** Take weights of channels, clipped to [0, 1]; true if anything moved. */
  pose(channels: readonly string[], values: ArrayLike<number>): boolean {
    if (channels !== this.#channels) this.#bind(channels);
    const known = this.#values;
    for (let column = 0; column < channels.length; column++) {
      known[column] = Math.min(1, Math.max(0, values[column]! || 0)); // NaN is no pose
    }
    if (this.#reduces) this.#reduce(channels.length);
    this.#sums.fill(0);
    for (let bind = 0; bind < this.#places.length; bind++) {
      const place = this.#places[bind]!;
      this.#sums[place] = this.#sums[place]! + known[this.#sources[bind]!]! * this.#gains[bind]!;
    }
    let moved = false;
    for (let place = 0; place < this.#sums.length; place++) {
      const influences = this.#influences[place]!;
      const index = this.#indices[place]!;
      if (influences[index] === this.#sums[place]) continue;
      influences[index] = this.#sums[place]!;
      moved = true;
    }
    return moved;
  }

  /** Turn the head, or look straight ahead with null; true if it moved. Axes of the pose are the root's. */
  turn(pose: HeadPose | null): boolean {
    if (!this.neck) return false;
    const { joint, steps } = this.neck;
    if (pose) turn.set(pose[4]!, pose[5]!, pose[6]!, pose[3]!).normalize();
    else turn.identity();
    turn.premultiply(this.#unparent).multiply(this.#parent).multiply(this.#rest);
    const x = this.#restPlace.x + (pose && steps ? pose[0]! : 0);
    const y = this.#restPlace.y + (pose && steps ? pose[1]! : 0);
    const z = this.#restPlace.z + (pose && steps ? pose[2]! : 0);
    if (joint.quaternion.equals(turn) && joint.position.x === x && joint.position.y === y && joint.position.z === z) {
      return false;
    }
    joint.quaternion.copy(turn);
    joint.position.set(x, y, z);
    return true;
  }

  /** Give each (array of influences, index) a place; meshes with equal lists of targets share one array. */
  #enumerate(): number {
    const shared = new Map<string, number[]>();
    this.root.traverse((object) => {
      const mesh = object as Mesh;
      if (!mesh.morphTargetInfluences || !mesh.morphTargetDictionary) return;
      const names = Object.keys(mesh.morphTargetDictionary).join("\n");
      const held = shared.get(names);
      if (held?.length === mesh.morphTargetInfluences.length) mesh.morphTargetInfluences = held;
      else shared.set(names, mesh.morphTargetInfluences);
    });
    for (const { mesh, index } of [...this.targets.values()].flat()) {
      const influences = mesh.morphTargetInfluences!;
      const known = this.#placed.get(influences) ?? this.#placed.set(influences, new Map()).get(influences)!;
      if (known.has(index)) continue;
      known.set(index, this.#indices.length);
      this.#influences.push(influences);
      this.#indices.push(index);
    }
    return this.#indices.length;
  }

  #bind(channels: readonly string[]): void {
    const same = this.#channels?.length === channels.length && this.#channels.every((name, at) => name === channels[at]);
    this.#channels = channels;
    if (same) return;
    this.#columns = new Map(channels.map((name, column) => [name, column]));
    const used = new Map<string, { source: number; place: number; gain: number }>();
    this.#reduces = false;
    for (const { target, source, reduced } of this.matching(channels).links) {
      this.#reduces ||= reduced;
      const column = reduced ? channels.length + REDUCED.indexOf(source as Reduced) : this.#columns.get(source)!;
      for (const { mesh, index, gain } of this.targets.get(target)!) {
        const place = this.#placed.get(mesh.morphTargetInfluences!)!.get(index)!;
        used.set(`${column} ${place}`, { source: column, place, gain }); // one array, several meshes: once
      }
    }
    const binds = [...used.values()];
    this.#sources = Int32Array.from(binds, (bind) => bind.source);
    this.#places = Int32Array.from(binds, (bind) => bind.place);
    this.#gains = Float32Array.from(binds, (bind) => bind.gain);
    this.#values = new Float32Array(channels.length + REDUCED.length);
  }

  #reduce(first: number): void {
    reduce(this.#weight, this.#reduced);
    REDUCED.forEach((name, at) => (this.#values[first + at] = this.#reduced[name]));
  }

  readonly #weight = (channel: string): number => this.#values[this.#columns.get(channel) ?? -1] ?? 0;
}
