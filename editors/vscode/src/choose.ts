// What is chosen from a list: a chat, a model, or what to do at all.
import { commands, window } from "vscode";
import { chatAt, documentOf, enter, isChat } from "./chat";
import type { Chats, Models, Started, Status } from "./protocol";
import type { Server } from "./server";

export async function openChat(server: Server): Promise<void> {
  const found = await server.execute<Chats>("kvasir.chats", {});
  if (!found) return;
  const items = found.sessions.map(({ session, title, root, turns, model }) => ({
    label: title,
    description: [turns === 1 ? "1 turn" : `${turns} turns`, model].filter(Boolean).join(" · "),
    detail: root ?? "",
    session,
  }));
  const chosen = await window.showQuickPick(items, { placeHolder: "A chat to open", matchOnDetail: true });
  const opened = chosen && (await server.execute<Started>("kvasir.open", { session: chosen.session }));
  if (opened) await enter(documentOf(opened));
}

export async function switchModel(server: Server): Promise<void> {
  const known = await server.execute<Models>("kvasir.model", {});
  if (!known) return;
  const items = known.models.map((name) => ({ label: name, description: name === known.model ? "in use" : "" }));
  const chosen = await window.showQuickPick(items, { placeHolder: "The model that answers from now on" });
  const editor = window.activeTextEditor;
  const chat = editor && isChat(editor.document) ? chatAt(editor) : {};
  if (chosen) await server.execute("kvasir.model", { ...chat, model: chosen.label });
}

/** What can be done, for a click on the status bar. */
export async function menu(): Promise<void> {
  const items = [
    { label: "$(comment-discussion) Ask…", command: "kvasir.ui.ask" },
    { label: "$(history) Open a Chat…", command: "kvasir.ui.open" },
    { label: "$(symbol-misc) Switch the Model…", command: "kvasir.ui.model" },
    { label: "$(pulse) Show Status", command: "kvasir.ui.status" },
    { label: "$(gear) Open Settings", command: "kvasir.ui.settings" },
    { label: "$(output) Show Log", command: "kvasir.ui.log" },
    { label: "$(debug-restart) Restart Server", command: "kvasir.ui.restart" },
  ];
  const chosen = await window.showQuickPick(items, { placeHolder: "Kvasir" });
  if (chosen) await commands.executeCommand(chosen.command);
}

/** What is loaded, and how well the slots did. */
export async function status(server: Server): Promise<void> {
  const said = await server.execute<Status>("kvasir.status", {});
  if (!said) return;
  const lines = Object.entries(said.models).map(([name, { windowTokens, slots, counters }]) => {
    const held = slots.map(({ tokens, busy }) => `${tokens}${busy ? " (busy)" : ""}`).join(", ");
    const counted = Object.entries(counters).map(([what, count]) => `${count} ${what.replaceAll("_", " ")}`);
    return `${name}: window of ${windowTokens} tokens; slots hold ${held || "nothing"}; ${counted.join(", ")}`;
  });
  void window.showInformationMessage(lines.join("\n") || "Kvasir: no model is loaded yet; it is when you ask.");
}
