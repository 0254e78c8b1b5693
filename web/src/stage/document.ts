/** The JSON of a glTF file, read before three sees it: what it refers to, what it needs, whose head it is. No WebGL. */

/** What is wrong with a file that should be a head, in a sentence for people. */
export class HeadError extends Error {
  override readonly name = "HeadError";
}

/** A name of a VRM expression that moves target `index` of the meshes of `node`, by `gain` at 1. */
export interface ExpressionTarget {
  readonly name: string;
  readonly node: number;
  readonly index: number;
  readonly gain: number;
}

interface Named {
  readonly name?: string;
  readonly uri?: string;
  readonly mesh?: number;
}

interface Vrm0 {
  readonly humanoid?: { readonly humanBones?: readonly { readonly bone: string; readonly node: number }[] };
  readonly blendShapeMaster?: {
    readonly blendShapeGroups?: readonly {
      readonly name?: string;
      readonly presetName?: string;
      readonly binds?: readonly { readonly mesh: number; readonly index: number; readonly weight: number }[];
    }[];
  };
}

interface Expression {
  readonly morphTargetBinds?: readonly { readonly node: number; readonly index: number; readonly weight: number }[];
}

interface Vrm1 {
  readonly humanoid?: { readonly humanBones?: { readonly head?: { readonly node: number } } };
  readonly expressions?: {
    readonly preset?: Readonly<Record<string, Expression>>;
    readonly custom?: Readonly<Record<string, Expression>>;
  };
}

export interface Json {
  readonly asset?: { readonly version?: string; readonly generator?: string };
  readonly nodes?: readonly Named[];
  readonly buffers?: readonly Named[];
  readonly images?: readonly Named[];
  readonly extensionsUsed?: readonly string[];
  readonly extensionsRequired?: readonly string[];
  readonly extensions?: { readonly VRM?: Vrm0; readonly VRMC_vrm?: Vrm1 };
}

const GLB_MAGIC = 0x46546c67; // "glTF"
const JSON_CHUNK = 0x4e4f534a;
const DECODERS: Record<string, string> = {
  KHR_draco_mesh_compression: "Draco",
  EXT_meshopt_compression: "Meshopt",
  KHR_texture_basisu: "KTX2",
};

/**
 * The JSON of a GLB or of a glTF text.
 *
 * @throws HeadError: neither of both, cut off, of version 1, compressed in a way that this page has no decoder for, or
 * referring to other files
 */
export function readDocument(bytes: ArrayBuffer): Json {
  const json = jsonOf(bytes);
  if (json.asset?.version === undefined) throw new HeadError("This is JSON, but no glTF: it has no asset.version.");
  if (!json.asset.version.startsWith("2")) {
    throw new HeadError(`This is glTF ${json.asset.version}; version 2 is needed. Export it again with a newer tool.`);
  }
  const needed = [...(json.extensionsRequired ?? []), ...(json.extensionsUsed ?? [])];
  const decoder = needed.map((extension) => DECODERS[extension]).find(Boolean);
  if (decoder) {
    throw new HeadError(`This file is compressed with ${decoder}, and this page has no decoder for it. Export it without.`);
  }
  const outside = [...(json.buffers ?? []), ...(json.images ?? [])].find(({ uri }) => uri && !uri.startsWith("data:"));
  if (outside) {
    throw new HeadError(`This file needs another file, ${outside.uri}. Export it as one GLB with everything inside.`);
  }
  return json;
}

function jsonOf(bytes: ArrayBuffer): Json {
  const view = new DataView(bytes);
  const binary = bytes.byteLength >= 20 && view.getUint32(0, true) === GLB_MAGIC;
  if (binary && view.getUint32(4, true) !== 2) throw new HeadError("This GLB is not of version 2. Export it again.");
  if (binary && (view.getUint32(8, true) > bytes.byteLength || view.getUint32(16, true) !== JSON_CHUNK)) {
    throw new HeadError("This GLB is cut off or damaged: it is shorter than it says. Copy it again.");
  }
  const text = binary ? new Uint8Array(bytes, 20, Math.min(view.getUint32(12, true), bytes.byteLength - 20)) : bytes;
  try {
    const json: unknown = JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(text));
    if (typeof json === "object" && json !== null) return json as Json;
  } catch {
    // told below: what came is no JSON
  }
  throw new HeadError("This is no 3-D head that voxface can read: a .glb, .vrm or self-contained .gltf is needed.");
}

/** Node of the head's joint, or null: as a VRM says, else by its name. */
export function headNode(json: Json): number | null {
  const vrm0 = json.extensions?.VRM?.humanoid?.humanBones?.find(({ bone }) => bone === "head")?.node;
  const vrm1 = json.extensions?.VRMC_vrm?.humanoid?.humanBones?.head?.node;
  const named = (json.nodes ?? []).findIndex(({ name, mesh }) => mesh === undefined && isHead(name ?? ""));
  return vrm1 ?? vrm0 ?? (named >= 0 ? named : null);
}

/** "head", "Head", "mixamorig:Head", "CC_Base_Head", "J_Bip_C_Head", but not "HeadTop_End". */
export function isHead(name: string): boolean {
  return /(^|[\s.:|/_-])head$/i.test(name) || /^mixamorig\d*head$/i.test(name);
}

/** What the expressions of a VRM move; weights of VRM 0 are percent. */
export function expressionTargets(json: Json): ExpressionTarget[] {
  const { VRM, VRMC_vrm } = json.extensions ?? {};
  const found: ExpressionTarget[] = [];
  for (const group of VRM?.blendShapeMaster?.blendShapeGroups ?? []) {
    const preset = group.presetName && group.presetName !== "unknown" ? group.presetName : undefined;
    const name = preset ?? group.name ?? "";
    for (const { mesh, index, weight } of group.binds ?? []) {
      (json.nodes ?? []).forEach((node, at) => {
        if (node.mesh === mesh) found.push({ name, node: at, index, gain: weight / 100 });
      });
    }
  }
  const { preset = {}, custom = {} } = VRMC_vrm?.expressions ?? {};
  for (const [name, { morphTargetBinds = [] }] of [...Object.entries(preset), ...Object.entries(custom)]) {
    for (const { node, index, weight } of morphTargetBinds) found.push({ name, node, index, gain: weight });
  }
  return found;
}
