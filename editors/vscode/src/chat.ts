// Chat documents: which they are, where the cursor is in them, and how they come to the screen.
import {
  commands,
  Range,
  TabInputText,
  type TextDocument,
  type TextEditor,
  Uri,
  ViewColumn,
  window,
  workspace,
} from "vscode";
import type { Argument, Started } from "./protocol";
import { isVirtual } from "./settings";

const VIRTUAL = "kvasir";
const PLACE = /\/\.kvasir\/chat\/[^/]+\.md$/;
const QUESTION = /^## You <!-- kv \w+ -->/;

/** The document that shows a chat to the person. */
export function documentOf({ session, uri }: Started): Uri {
  return isVirtual() ? Uri.from({ scheme: VIRTUAL, authority: "chat", path: `/${session}.md` }) : Uri.parse(uri);
}

export function isChat(document: TextDocument): boolean {
  if (document.uri.scheme === VIRTUAL || PLACE.test(document.uri.path)) return true;
  const isMarked = document.lineCount > 1 && document.lineAt(0).text === "---";
  return isMarked && document.lineAt(1).text.startsWith("kvasir:");
}

/** The chat that the person is in, for a command about it. */
export function chatAt(editor: TextEditor): Argument {
  const { uri } = editor.document;
  return uri.scheme === VIRTUAL ? { session: uri.path.replace(/^\/|\.md$/g, "") } : { uri: uri.toString() };
}

/** Number of the turn under the cursor, from 1 on. */
export function turnAt(editor: TextEditor): number {
  let turn = 0;
  for (let line = 0; line <= editor.selection.active.line; line++) {
    if (QUESTION.test(editor.document.lineAt(line).text)) turn++;
  }
  return turn;
}

/** Brings a chat to the screen, at its end, unless it is there. The focus stays where it is. */
export async function show(uri: Uri): Promise<void> {
  if (editorOf(uri)) return;
  const viewColumn = columnOf(uri) ?? columnOfChats() ?? ViewColumn.Beside;
  // As a person opens it: what an extension opens stays open for minutes after its tab is closed.
  await commands.executeCommand("vscode.open", uri, { viewColumn, preserveFocus: true, preview: false });
  const editor = editorOf(uri);
  editor?.revealRange(atEnd(editor.document));
}

/** Shows the chat that a command's reply is about. The server shows each only once, and this one may be closed. */
export async function present<Reply>(reply: Reply): Promise<Reply> {
  if (isStarted(reply)) await show(documentOf(reply));
  return reply;
}

function isStarted(reply: unknown): reply is Started {
  return typeof reply === "object" && reply !== null && "uri" in reply && "session" in reply;
}

/** The document of a chat that has a tab, seen or not. */
export function tabbed(uri: string): TextDocument | undefined {
  const inputs = window.tabGroups.all.flatMap((group) => group.tabs.map((tab) => tab.input));
  if (!inputs.some((input) => input instanceof TabInputText && input.uri.toString() === uri)) return undefined;
  return workspace.textDocuments.find((document) => document.uri.toString() === uri);
}

/** Lets the person go on in a chat that is on the screen. */
export async function enter(uri: Uri): Promise<void> {
  const editor = editorOf(uri);
  if (!editor) return;
  const { document, viewColumn } = editor;
  await window.showTextDocument(document, { ...(viewColumn && { viewColumn }), selection: atEnd(document) });
}

function atEnd(document: TextDocument) {
  return document.validateRange(new Range(document.lineCount, 0, document.lineCount, 0));
}

function editorOf(uri: Uri): TextEditor | undefined {
  return window.visibleTextEditors.find((editor) => editor.document.uri.toString() === uri.toString());
}

/** Where it is behind other tabs, but not where the person is at one of those. */
function columnOf(uri: Uri): ViewColumn | undefined {
  const groups = window.tabGroups.all.filter((group) => !group.isActive);
  return groups.find((group) => group.tabs.some((tab) => shows(tab.input, uri)))?.viewColumn;
}

function shows(input: unknown, uri: Uri): boolean {
  return input instanceof TabInputText && input.uri.toString() === uri.toString();
}

function columnOfChats(): ViewColumn | undefined {
  return window.visibleTextEditors.find((editor) => isChat(editor.document))?.viewColumn;
}
