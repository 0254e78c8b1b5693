/**
 * Cameras, lights and materials, the same numbers as `voxface render` (render/scene.py, where each is explained):
 * tools/viewer_presets.py writes the JSON, and a test compares the two.
 */
import presets from "./presets.json";

export type Triple = readonly [number, number, number];
export type CameraName = keyof typeof presets.cameras;
export type LightName = keyof typeof presets.lights;
export type MaterialName = keyof typeof presets.materials;

/** yaw_deg, pitch_deg: around the head. height_m: what the picture's smaller side shows at the point `at`, metres. */
export interface CameraPreset {
  readonly yaw_deg: number;
  readonly pitch_deg: number;
  readonly height_m: number;
  readonly at: Triple;
}

/** Lights are linear RGB, top and bottom as they are shown; directions are in the camera's axes. */
export interface LightPreset {
  readonly key: Triple;
  readonly key_from: Triple;
  readonly fill: Triple;
  readonly fill_from: Triple;
  readonly rim: Triple;
  readonly rim_from: Triple;
  readonly above: Triple;
  readonly below: Triple;
  readonly glint_from: Triple;
  readonly exposure: number;
  readonly top: Triple;
  readonly bottom: Triple;
  readonly vignette: number;
}

/** wrap: how far light creeps round an edge, per colour. gloss, shine: exponent and strength of the key's mirror image.
 * glint: strength of the window's. two_sided: seen from behind too. */
export interface MaterialPreset {
  readonly wrap: Triple;
  readonly gloss: number;
  readonly shine: number;
  readonly glint: number;
  readonly two_sided: boolean;
}

export const FIELD_OF_VIEW_DEG = presets.field_of_view_deg;
export const CAMERAS = presets.cameras as unknown as Record<CameraName, CameraPreset>;
export const LIGHTS = presets.lights as unknown as Record<LightName, LightPreset>;
export const MATERIALS = presets.materials as unknown as Record<MaterialName, MaterialPreset>;

/** reach_m: from the origin, what can throw a shadow. pixels: a side of the depth map. step: between the 4 x 4 places where
 * a point asks it, as a share of its side. off_m: how far above its surface a point asks. */
export const SHADOW = {
  reach_m: presets.shadow_reach_m,
  pixels: presets.shadow_pixels,
  step: presets.shadow_step,
  off_m: presets.shadow_off_m,
};
