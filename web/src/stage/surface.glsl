// Written by tools/viewer_presets.py from render/gl.py, where it is explained.
uniform vec3 eye, key, key_from, fill, fill_from, rim, rim_from, above, below, glint_from, wrap;
uniform float exposure, gloss, shine, glint;
in vec3 at, facing, tint;
in float lit;
void main() {
    vec3 v = normalize(eye - at), n = normalize(gl_FrontFacing ? facing : -facing);
    vec3 soft = max((dot(n, key_from) + wrap) / (1.0 + wrap), 0.0);  // red creeps furthest round the edge of the shadow
    float clear = max(lit, 0.0);
    vec3 share = vec3(clear * (1.5 - 0.5 * clear), clear, clear);  // and round the edges of shadows that fall on it
    vec3 light = key * share * soft * soft + fill * max(dot(n, fill_from) * 0.5 + 0.5, 0.0);
    light += mix(below, above, n.y * 0.5 + 0.5);
    float edge = 1.0 - max(dot(n, v), 0.0);
    light += rim * (edge * edge * edge * max(dot(n, rim_from) * 0.7 + 0.3, 0.0));
    float wet = wrap.r > wrap.g ? smoothstep(0.5, 0.7, 1.0 - tint.g / tint.r) : 0.0;  // of what is alive, the red: lips
    float mirrored = (1.0 + 3.0 * wet) * pow(max(dot(n, normalize(key_from + v)), 0.0), gloss * (1.0 + wet));
    float window = smoothstep(0.985, 0.990, dot(n, normalize(glint_from + v)));
    vec3 x = (tint * light + key * (shine * mirrored * clear + glint * window)) * exposure;
    show(x * (6.2 * x + 0.5) / (x * (6.2 * x + 1.7) + 0.06));
}
