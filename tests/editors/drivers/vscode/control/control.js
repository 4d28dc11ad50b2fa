// Runs a test's JavaScript with the real API, for whoever knows the token, on the loopback interface. Its address is
// in the folder KVASIR_CONTROL, in a file named after the workspace; without that variable it does nothing.
const crypto = require("node:crypto");
const fs = require("node:fs");
const http = require("node:http");
const path = require("node:path");
const vscode = require("vscode");

const AsyncFunction = (async () => {}).constructor;

async function answer(body) {
  try {
    const { code, args } = JSON.parse(body);
    const value = await new AsyncFunction("vscode", "args", code)(vscode, args);
    return { value: value ?? null };
  } catch (error) {
    return { error: String(error?.stack ?? error) };
  }
}

exports.activate = (context) => {
  const folder = process.env.KVASIR_CONTROL;
  if (!folder) return;
  const token = crypto.randomUUID();
  const server = http.createServer((request, response) => {
    if (request.headers["x-token"] !== token) return response.writeHead(403).end();
    let body = "";
    request.setEncoding("utf8");
    request.on("data", (part) => (body += part));
    request.on("end", async () => response.end(JSON.stringify(await answer(body))));
  });
  server.listen(0, "127.0.0.1", () => {
    const file = path.join(folder, `${vscode.workspace.name}.json`);
    fs.writeFileSync(`${file}.new`, JSON.stringify({ port: server.address().port, token }));
    fs.renameSync(`${file}.new`, file);
  });
  context.subscriptions.push({ dispose: () => server.close() });
};
