// The ids of turns are for the server: people see them dimmed.
import { type Disposable, Range, type TextDocument, type TextEditor, window, workspace } from "vscode";
import { isChat } from "./chat";

const MARK = /<!-- kv [^>]*-->$/;

export class Marks implements Disposable {
  private readonly look = window.createTextEditorDecorationType({ opacity: "0.35" });
  private readonly listeners = [
    window.onDidChangeVisibleTextEditors((editors) => editors.forEach((editor) => this.dim(editor))),
    workspace.onDidChangeTextDocument(({ document }) => this.dimAll(document)),
  ];

  constructor() {
    window.visibleTextEditors.forEach((editor) => this.dim(editor));
  }

  dispose(): void {
    this.look.dispose();
    this.listeners.forEach((listener) => listener.dispose());
  }

  private dimAll(document: TextDocument): void {
    window.visibleTextEditors.filter((editor) => editor.document === document).forEach((editor) => this.dim(editor));
  }

  private dim(editor: TextEditor): void {
    if (!isChat(editor.document)) return;
    const { document } = editor;
    const ranges: Range[] = [];
    for (let line = 0; line < document.lineCount; line++) {
      const found = MARK.exec(document.lineAt(line).text);
      if (found) ranges.push(new Range(line, found.index, line, found.index + found[0].length));
    }
    editor.setDecorations(this.look, ranges);
  }
}
