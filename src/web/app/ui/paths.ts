/** The folder that all of these lie in, with its last slash; empty where there is none, or it says little. */
export function commonFolder(paths: readonly string[]): string {
  const [first] = paths;
  if (first === undefined) return '';
  let length = first.lastIndexOf('/') + 1;
  for (const path of paths)
    while (length > 0 && path.slice(0, length) !== first.slice(0, length))
      length = first.lastIndexOf('/', length - 2) + 1;
  return length > 1 ? first.slice(0, length) : '';
}
