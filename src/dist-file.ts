// Where the bundled files of this package are, seen from the bundle and from the sources (tests).

/** URL of a file in dist/, whether this code runs from dist/ or from src/. */
export function distFile(name: string): URL {
  return new URL(import.meta.url.includes("/dist/") ? `./${name}` : `../dist/${name}`, import.meta.url);
}
