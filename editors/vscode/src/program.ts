// Where the person's Kvasir is.
import { accessSync, constants, statSync } from "node:fs";
import { homedir } from "node:os";
import { delimiter, isAbsolute, join } from "node:path";

/** Absolute path of a program: as it is named, or the first of that name on the PATH. */
export function find(name: string): string | undefined {
  const named = name.replace(/^~(?=\/)/, homedir());
  if (isAbsolute(named)) return isProgram(named) ? named : undefined;
  // A relative path would be looked for in the workspace, which may be a stranger's.
  if (named.includes("/")) return undefined;
  const folders = (process.env["PATH"] ?? "").split(delimiter).filter(isAbsolute);
  return folders.map((folder) => join(folder, named)).find(isProgram);
}

function isProgram(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return statSync(path).isFile();
  } catch {
    return false;
  }
}
