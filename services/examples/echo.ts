// Gives a POST its body back, byte for byte; tells any other request what arrived.
import { handle, Request, Response } from "frenezulo";

export function frenezulo_main(): void {
  handle(echo);
}

function echo(request: Request): Response {
  if (request.method == "POST") {
    const type = request.header("content-type");
    return Response.bytes(request.bytes(), type === null ? "application/octet-stream" : type);
  }
  let text = request.method + " " + request.uri + "\n";
  const names = request.headerNames();
  for (let i = 0; i < names.length; i++) {
    const values = request.headerValues(names[i]);
    for (let j = 0; j < values.length; j++) text += names[i] + ": " + values[j] + "\n";
  }
  return Response.text(text + "\n" + request.text());
}
