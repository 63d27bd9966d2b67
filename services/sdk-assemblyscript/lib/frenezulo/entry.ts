// The export through which every spawned process begins. An entry of its own (asconfig.json), so that it is exported
// whatever the program exports. Imports nothing: an entry file would bring a second copy of what it imports.

/**
 * @param start place in the function table of what takes the argument message and calls the program's function
 * @param entry place in the function table of the program's function
 */
export function _frenezulo_spawn(start: i32, entry: i32): void {
  call_indirect<void>(start, entry);
}
