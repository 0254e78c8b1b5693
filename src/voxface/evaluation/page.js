"use strict";
/* One clock per clip: its sound, or time going by. Everything else shows that time. */
for (const card of document.querySelectorAll("article")) {
  const curves = card.querySelector(".curves"), cursor = curves.querySelector(".cursor"), said = card.querySelector("output");
  const audio = card.querySelector("audio"), button = card.querySelector(".play"), films = card.querySelector(".films");
  const from = Number(curves.dataset.from), fps = Number(curves.dataset.fps);
  const numbers = text => text.split(",").map(one => (one === "" ? NaN : one / 1000));
  const gaps = [curves.dataset.gap0, curves.dataset.gap1].filter(text => text !== undefined).map(numbers);
  const names = [...card.querySelectorAll(".key b")].map(one => one.textContent);
  const length = gaps[0].length / fps;
  let silent = 0, running = false, began = 0;

  const now = () => (audio ? audio.currentTime : running ? silent + (performance.now() - began) / 1000 : silent);
  const playing = () => (audio ? !audio.paused && !audio.ended : running);
  const within = seconds => Math.min(Math.max(seconds, 0), length - 1e-3);

  function show(seconds) {
    const at = within(seconds), frame = Math.min(Math.floor(at * fps + 1e-6), gaps[0].length - 1);
    cursor.setAttribute("d", "M" + ((at / length) * 1000).toFixed(1) + " 0v150");
    curves.setAttribute("aria-valuenow", (from + at).toFixed(2));
    curves.setAttribute("aria-valuetext", (from + at).toFixed(2) + " s");
    const parts = gaps.map((gap, place) => names[place] + " " + (isNaN(gap[frame]) ? "–" : gap[frame].toFixed(3)));
    said.textContent = (from + at).toFixed(2) + " s · lip gap: " + parts.join(", ");
    if (films) flip(at);
  }
  function flip(at) {
    const { hz, count, columns } = films.dataset, place = Math.min(Math.floor(at * hz + 1e-6), count - 1);
    for (const image of films.querySelectorAll("img")) {
      const wide = image.parentElement.clientWidth, high = image.parentElement.clientHeight;
      const left = (place % columns) * wide, top = Math.floor(place / columns) * high;
      image.style.transform = "translate(" + -left + "px," + -top + "px)";
    }
  }
  function seek(seconds) {
    if (audio) audio.currentTime = within(seconds);
    else { silent = within(seconds); began = performance.now(); }
    show(seconds);
  }
  function run() {
    show(now());
    if (!audio && now() >= length) stop();
    if (playing()) requestAnimationFrame(run);
  }
  function stop() { silent = 0; running = false; button.textContent = "play (silent)"; }
  function toggle() {
    if (audio) { if (audio.paused) audio.play(); else audio.pause(); return; }
    if (running) { silent = now(); running = false; } else { began = performance.now(); running = true; run(); }
    button.textContent = running ? "pause" : "play (silent)";
  }

  const place = event => {
    const box = curves.getBoundingClientRect();
    return ((event.clientX - box.left) / box.width) * length;
  };
  curves.addEventListener("pointerdown", event => seek(place(event)));
  curves.addEventListener("pointermove", event => {
    if (event.buttons) seek(place(event));
    else if (!playing()) show(place(event));
  });
  curves.addEventListener("pointerleave", () => show(now()));
  curves.addEventListener("keydown", event => {
    const step = event.shiftKey ? 0.2 : 0.02;
    const to = { ArrowLeft: now() - step, ArrowRight: now() + step, Home: 0, End: length }[event.key];
    if (to !== undefined) seek(to);
    else if (event.key === " " || event.key === "Enter") toggle();
    else return;
    event.preventDefault();
  });
  for (const one of card.querySelectorAll("[data-seek]")) one.addEventListener("click", () => seek(one.dataset.seek - from));
  if (audio) {
    audio.addEventListener("play", run);
    audio.addEventListener("timeupdate", () => show(now()));
    audio.addEventListener("seeked", () => show(now()));
  } else button.addEventListener("click", toggle);
  show(0);
}
