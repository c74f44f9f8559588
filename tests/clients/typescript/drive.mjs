// Drives the server with the official TypeScript SDK: `drive.mjs 1|2 stdio COMMAND`, or `http URL`, or `sse URL`,
// the number being the SDK's major version. Prints one line of JSON that says what the SDK saw.

import { readFile } from "node:fs/promises";
import Ajv2020 from "ajv/dist/2020.js";

const [major, kind, server] = process.argv.slice(2);
const name = major === "1" ? "@modelcontextprotocol/sdk" : "@modelcontextprotocol/client";
const info = { name: "test", version: "1" };

/** A client that is not yet connected. */
async function newClient() {
  if (major === "1") {
    const { Client } = await import(`${name}/client/index.js`);
    return new Client(info);
  }
  const { Client } = await import(name);
  // Asks for the era without a handshake first, which starts the server twice.
  return new Client(info, { versionNegotiation: { mode: "auto" } });
}

async function newTransport() {
  if (kind === "stdio") {
    const module = major === "1" ? `${name}/client/stdio.js` : `${name}/stdio`;
    const { StdioClientTransport } = await import(module);
    return new StdioClientTransport({ command: server, args: [] });
  }
  const file = kind === "http" ? "streamableHttp" : "sse";
  const module = await import(major === "1" ? `${name}/client/${file}.js` : name);
  const Transport = kind === "http" ? module.StreamableHTTPClientTransport : module.SSEClientTransport;
  return new Transport(new URL(server));
}

/** The version that is installed, beside the module that was loaded. */
async function installedVersion() {
  const manifest = new URL(`node_modules/${name}/package.json`, import.meta.url);
  return JSON.parse(await readFile(manifest, "utf8")).version;
}

function checkSchemas(tools) {
  const ajv = new Ajv2020.default({ strict: true });
  for (const tool of tools) {
    ajv.compile(tool.inputSchema);
    ajv.compile(tool.outputSchema ?? {});
  }
}

async function drive() {
  const [client, transport] = [await newClient(), await newTransport()];
  // The transport is told what was negotiated.
  let protocolVersion;
  transport.setProtocolVersion = (version) => {
    protocolVersion = version;
  };
  await client.connect(transport);
  const { tools } = await client.listTools();
  checkSchemas(tools);
  const call = (tool, parameters) => client.callTool({ name: tool, arguments: parameters });
  const seen = {
    sdk: await installedVersion(),
    protocolVersion,
    instructions: client.getInstructions(),
    tools,
    connect: await call("ssh_connect", { host: "test" }),
    exec: await call("ssh_exec", { command: "echo out; echo err >&2; exit 3" }),
    sessions: await call("ssh_sessions", {}),
    unknown: await call("ssh_exec", { command: "true", session: "nobody" }),
    disconnect: await call("ssh_disconnect", {}),
  };
  const closing = performance.now();
  await client.close();
  return { ...seen, closeMs: Math.round(performance.now() - closing) };
}

console.log(JSON.stringify(await drive()));
