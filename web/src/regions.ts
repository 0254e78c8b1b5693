// The 52 ARKit channels by the part of the face that they move. Channels are always found by name.

export interface Region {
  readonly id: string;
  readonly label: string;
  readonly channels: readonly string[];
}

const both = (...names: string[]): string[] => names.flatMap((name) => [`${name}Left`, `${name}Right`]);

export const REGIONS: readonly Region[] = [
  { id: "jaw", label: "Jaw & tongue", channels: ["jawOpen", "jawForward", "jawLeft", "jawRight", "tongueOut"] },
  {
    id: "mouth",
    label: "Mouth",
    channels: [
      ...["mouthClose", "mouthFunnel", "mouthPucker", "mouthRollLower", "mouthRollUpper"],
      ...["mouthShrugLower", "mouthShrugUpper"],
      ...both("mouthUpperUp", "mouthLowerDown", "mouthPress", "mouthSmile", "mouthFrown", "mouthStretch"),
      ...both("mouthDimple"),
      ...["mouthLeft", "mouthRight"],
    ],
  },
  { id: "cheeks", label: "Cheeks & nose", channels: ["cheekPuff", ...both("cheekSquint", "noseSneer")] },
  {
    id: "eyes",
    label: "Eyes",
    channels: both("eyeBlink", "eyeWide", "eyeSquint", "eyeLookUp", "eyeLookDown", "eyeLookIn", "eyeLookOut"),
  },
  { id: "brows", label: "Brows", channels: ["browInnerUp", ...both("browOuterUp", "browDown")] },
];

/** The 52 ARKit names in canonical order: alphabetical. */
export const ARKIT: readonly string[] = REGIONS.flatMap((region) => region.channels).sort();

const REGION_OF = new Map(REGIONS.flatMap((region) => region.channels.map((name) => [name, region] as const)));

/** The region that a channel belongs to; undefined for a name that is no ARKit channel. */
export function regionOf(channel: string): Region | undefined {
  return REGION_OF.get(channel);
}
