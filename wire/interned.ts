// Objects that say the same, held once: by a key, for as long as somebody else holds them.

export class Interned<T extends object> {
  readonly #known = new Map<string, WeakRef<T>>();
  readonly #ended = new FinalizationRegistry<string>((key) => {
    if (this.#known.get(key)?.deref() === undefined) this.#known.delete(key);
  });

  /** The object that was kept last under this key, if somebody still holds it. */
  get(key: string): T | null {
    return this.#known.get(key)?.deref() ?? null;
  }

  keep(key: string, value: T): void {
    this.#known.set(key, new WeakRef(value));
    this.#ended.register(value, key);
  }
}
