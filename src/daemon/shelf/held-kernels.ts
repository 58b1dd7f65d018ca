/** Kernels of images that are being made: needed before anything in the store says so, and so not removed meanwhile. */
export class HeldKernels {
  /** Of each work under way: its image's name, and the ids that it holds. */
  readonly #works = new Set<{ image: string; ids: Set<string> }>();

  /** What `work` says to hold is held until it ends. */
  async during<T>(
    image: string,
    work: (hold: <K extends { id: string }>(kernel: K) => K) => Promise<T>,
  ): Promise<T> {
    const own = { image, ids: new Set<string>() };
    this.#works.add(own);
    try {
      return await work((kernel) => {
        own.ids.add(kernel.id);
        return kernel;
      });
    } finally {
      this.#works.delete(own);
    }
  }

  /** The names of the images for which a kernel is held. */
  by(id: string): string[] {
    return [...this.#works].filter(({ ids }) => ids.has(id)).map(({ image }) => image);
  }
}
