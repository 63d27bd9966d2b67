// The images that instances of one module share: most of what an idle actor costs is its image. In a carrier.
import type { PristineImage } from "./pristine.ts";

/** By the module's digest; an image goes with the last actor that has it. */
const known = new Map<string, WeakRef<PristineImage>>();
const ended = new FinalizationRegistry<string>((digest) => {
  if (known.get(digest)?.deref() === undefined) known.delete(digest);
});

/** The image that an instance of the module had last; another instance may look otherwise. */
export function knownImage(digest: string): PristineImage | null {
  return known.get(digest)?.deref() ?? null;
}

export function rememberImage(digest: string, image: PristineImage): void {
  known.set(digest, new WeakRef(image));
  ended.register(image, digest);
}
