// The code that a question is about.
import { Range, type TextEditor, window } from "vscode";
import { chatAt, isChat } from "./chat";
import type { Argument } from "./protocol";

/** Where the person is: the chat, or the file with the lines that are selected. */
export function here(): Argument {
  const editor = window.activeTextEditor;
  if (!editor) return {};
  if (isChat(editor.document)) return chatAt(editor);
  return { uri: editor.document.uri.toString(), ...selected(editor) };
}

/** Whole lines: what a model reads best. */
export function selected(editor: TextEditor): Argument {
  const { document, selection } = editor;
  if (selection.isEmpty) return {};
  const { start, end } = selection;
  const last = end.character > 0 || end.line === start.line ? end.line + 1 : end.line;
  const text = document.getText(new Range(start.line, 0, last, 0));
  return { lines: [start.line, last], text, version: document.version };
}

/** How a place is named in front of a question. */
export function named({ uri, lines, session, include }: Argument): string {
  if (include?.project) return "the project";
  const file = uri ? decodeURIComponent(uri.slice(uri.lastIndexOf("/") + 1)) : session;
  if (!file) return "anything";
  return lines && !include?.file ? `${file}, lines ${lines[0] + 1}-${lines[1]}` : file;
}
