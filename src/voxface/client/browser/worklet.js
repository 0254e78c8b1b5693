// Runs on the audio thread: cuts what it hears into packets of 20 ms, one channel, 16 bit.

class Ear extends AudioWorkletProcessor {
  #size = Math.round(sampleRate / 50);
  #packet = new Int16Array(this.#size);
  #count = 0;

  /** @param {Float32Array[][]} inputs no channel at all while nothing is connected: that is silence, and time goes on */
  process([[samples] = []]) {
    for (let at = 0; at < 128; at++) {
      const value = samples ? samples[at] * 32768 : 0;
      this.#packet[this.#count++] = Math.max(-32768, Math.min(32767, Math.round(value)));
      if (this.#count < this.#size) continue;
      const first = (currentFrame + at + 1 - this.#size) / sampleRate; // seconds of the context's clock
      this.port.postMessage({ first, samples: this.#packet }, [this.#packet.buffer]);
      this.#packet = new Int16Array(this.#size);
      this.#count = 0;
    }
    return true;
  }
}

registerProcessor("voxface-ear", Ear);
