// The person's settings, as the server wants them.
import { type WorkspaceConfiguration, workspace } from "vscode";

const SECTION = "kvasir";
/** Settings that only this extension reads. */
const OWN = new Set(["command"]);

type Values = { [name: string]: unknown };

/** The words that start Kvasir. */
export function command(): string[] {
  return workspace.getConfiguration(SECTION).get<string[]>("command", []);
}

export function isVirtual(): boolean {
  return workspace.getConfiguration(SECTION).get("chat.view") === "virtual";
}

/** What was set, nested. Defaults stay here: they must not win over the person's configuration file. */
export function forServer(properties: readonly string[]): Values {
  const configuration = workspace.getConfiguration(SECTION);
  const values: Values = {};
  for (const property of properties) {
    const key = property.slice(SECTION.length + 1);
    if (!OWN.has(key) && isSet(configuration, key)) put(values, key.split("."), configuration.get(key));
  }
  return values;
}

function isSet(configuration: WorkspaceConfiguration, key: string): boolean {
  const found = configuration.inspect(key);
  const values = [found?.globalValue, found?.workspaceValue, found?.workspaceFolderValue];
  return values.some((value) => value !== undefined);
}

function put(values: Values, [name, ...rest]: string[], value: unknown): void {
  if (name === undefined) return;
  if (rest.length === 0) values[name] = value;
  else put((values[name] ??= {}) as Values, rest, value);
}
