// A question in the person's own words. While it is typed, the model reads what goes with it.
import { type Disposable, type InputBox, type TextEditor, type TextEditorSelectionChangeEvent, window } from "vscode";
import { chatAt, isChat, turnAt } from "./chat";
import { here, named, selected } from "./place";
import type { Argument } from "./protocol";
import type { Server } from "./server";

const OPTIONS = "Your question. In front of it: -p the project, -f the file, -n a new chat, @model";

export async function ask(server: Server, more: Argument = {}): Promise<void> {
  const argument = { ...here(), ...more };
  const question = await typed(`Ask about ${named(argument)}`, OPTIONS, (draft) => {
    // Words in front are the server's to read, once they are complete.
    if (draft && !/^[-@]/.test(draft)) server.notify("kvasir/draft", { ...argument, question: draft });
  });
  if (question) await server.execute("kvasir.ask", argument, question);
}

/** A new chat from the turn under the cursor. */
export async function fork(server: Server): Promise<void> {
  const editor = chatEditor();
  if (!editor) return;
  const turn = turnAt(editor);
  const question = await typed(`Fork after turn ${turn}`, "A question for the new chat, if there is one already");
  if (question !== undefined) await server.execute("kvasir.fork", { ...chatAt(editor), turn }, question);
}

/** The question under the cursor once more. */
export async function retry(server: Server): Promise<void> {
  const editor = chatEditor();
  if (editor) await server.execute("kvasir.retry", { ...chatAt(editor), turn: turnAt(editor) });
}

/** What was typed at the end of the chat. */
export async function send(server: Server): Promise<void> {
  const editor = chatEditor();
  if (editor) await server.execute("kvasir.send", chatAt(editor));
}

/** Tells the server what is selected in code. Moves of the cursor alone stay here. */
export function tellSelections(server: Server): Disposable {
  let told: TextEditor | undefined;
  return window.onDidChangeTextEditorSelection(({ textEditor }: TextEditorSelectionChangeEvent) => {
    const { document } = textEditor;
    if (document.uri.scheme !== "file" || isChat(document)) return;
    const selection = selected(textEditor);
    if (!selection.lines && told !== textEditor) return;
    told = selection.lines && textEditor;
    server.notify("kvasir/selection", { uri: document.uri.toString(), ...(selection.lines ? selection : { range: null }) });
  });
}

function chatEditor(): TextEditor | undefined {
  const editor = window.activeTextEditor;
  if (editor && isChat(editor.document)) return editor;
  void window.showInformationMessage("Kvasir: go to a chat first, and put the cursor into a turn.");
  return undefined;
}

/** What the person enters; undefined if they leave. */
function typed(title: string, placeholder: string, onDraft: (draft: string) => void = () => {}): Promise<string | undefined> {
  const box: InputBox = window.createInputBox();
  Object.assign(box, { title: `Kvasir: ${title}`, placeholder, ignoreFocusOut: true });
  return new Promise((resolve) => {
    box.onDidChangeValue((value) => onDraft(value.trim()));
    box.onDidAccept(() => {
      resolve(box.value.trim());
      box.hide();
    });
    box.onDidHide(() => {
      resolve(undefined);
      box.dispose();
    });
    box.show();
  });
}
