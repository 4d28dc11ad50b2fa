// What Kvasir's server and its plug-ins say to each other beside standard LSP: docs/protocol.md has all of it.

export const PROTOCOL = 1;

/** Keys of the object that every command takes. */
export interface Argument {
  uri?: string;
  lines?: [number, number];
  text?: string;
  version?: number;
  include?: { file?: boolean; project?: boolean };
  new?: boolean;
  session?: string;
  turn?: number;
  model?: string;
  question?: string;
}

/** A part of an answer, or with `mark` what takes the place of its stop line. */
export interface Delta {
  uri: string;
  job: string;
  at: number;
  text: string;
  kind: "answer" | "reasoning" | "tool" | "mark";
}

export type Phase = "queued" | "loading" | "warming" | "prefill" | "generating" | "done" | "error" | "cancelled";

export interface State {
  job: string;
  phase: Phase;
  promptTokens?: number;
  cachedTokens?: number;
  doneTokens?: number;
  tps?: number;
  message?: string;
}

/** The job of warmups that nobody asked for. */
export const AUTOMATIC = "warmup";

export interface Started {
  session: string;
  uri: string;
}

export interface Chats {
  sessions: { session: string; title: string; root: string | null; turns: number; model: string | null }[];
}

export interface Models {
  models: string[];
  model: string | null;
}

export interface Status {
  models: Record<
    string,
    {
      windowTokens: number;
      slots: { tokens: number; busy: boolean }[];
      counters: Record<string, number>;
    }
  >;
}
