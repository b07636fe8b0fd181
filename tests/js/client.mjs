// A Matrix client for tests, on matrix-js-sdk and its Rust cryptography.
//
// Reads requests from stdin, one JSON object a line: {"id": 1, "op": "send", "room": "!r:x", ...}
// Answers on stdout in the same way: {"id": 1, "ok": true, "result": ...} or {..., "error": "..."}.
// Requests run side by side. Ends with `stop`, or when stdin does.

import "./quiet.mjs";
import { createInterface } from "node:readline";
import { setTimeout as sleep } from "node:timers/promises";
import { Attachment, EncryptedAttachment } from "@matrix-org/matrix-sdk-crypto-wasm";
import { createClient } from "matrix-js-sdk";
import {
  AllDevicesIsolationMode,
  OnlySignedDevicesIsolationMode,
} from "matrix-js-sdk/lib/crypto-api/index.js";
import { matches, settled, shown, timeline } from "./view.mjs";

let client;

const operations = {
  /** Log in to a device, keys in memory only, and sign that device with a new identity. */
  async login({ url, userId, deviceId, accessToken, password }) {
    client = createClient({ baseUrl: url, userId, deviceId, accessToken });
    await client.initRustCrypto({ useIndexedDB: false });
    await client.startClient({ initialSyncLimit: 500, pendingEventOrdering: "detached" });
    while (client.getSyncState() !== "PREPARED" && client.getSyncState() !== "SYNCING") {
      await sleep(20);
    }
    await client.getCrypto().bootstrapCrossSigning({
      authUploadDeviceSigningKeys: (upload) => withPassword(upload, userId, password),
    });
    return { userId, deviceId, version: client.getCrypto().getVersion() };
  },

  /** Vouch for this device with another identity than before. */
  async newIdentity({ password }) {
    await client.getCrypto().bootstrapCrossSigning({
      setupNewCrossSigning: true,
      authUploadDeviceSigningKeys: (upload) => withPassword(upload, client.getUserId(), password),
    });
  },

  /** Whether to share keys with, and believe, only devices that their owners have signed. */
  async excludeInsecureDevices({ on }) {
    const mode = on ? new OnlySignedDevicesIsolationMode() : new AllDevicesIsolationMode(false);
    client.getCrypto().setDeviceIsolationMode(mode);
  },

  async createRoom({ alias, invite = [], encrypted = true, ...more }) {
    const content = { algorithm: "m.megolm.v1.aes-sha2" };
    const encryption = { type: "m.room.encryption", state_key: "", content };
    const made = await client.createRoom({
      preset: "private_chat",
      room_alias_name: alias ?? undefined,
      invite,
      initial_state: encrypted ? [encryption] : [],
      ...more,
    });
    return arrived(made.room_id);
  },

  /** Have a room go on as one of another version. */
  async upgrade({ room, version }) {
    return arrived((await client.upgradeRoom(room, version)).replacement_room);
  },

  async invite({ room, user }) {
    await client.invite(room, user);
  },

  /** Say who may do what: user -> power. What else there is to say of it is as usual. */
  async empower({ room, users }) {
    await client.sendStateEvent(room, "m.room.power_levels", { users }, "");
  },

  async join({ room }) {
    await client.joinRoom(room);
    await arrived(room);
  },

  async send({ room, text, threadRoot, replyTo }) {
    const relation = {};
    if (threadRoot) {
      Object.assign(relation, { rel_type: "m.thread", event_id: threadRoot });
      relation.is_falling_back = !replyTo;
    }
    if (threadRoot || replyTo) relation["m.in_reply_to"] = { event_id: replyTo || threadRoot };
    const related = threadRoot || replyTo ? { "m.relates_to": relation } : {};
    return said(room, { ...plain(text), ...related });
  },

  async edit({ room, event, text }) {
    return said(room, {
      ...plain(`* ${text}`),
      "m.new_content": plain(text),
      "m.relates_to": { rel_type: "m.replace", event_id: event },
    });
  },

  async react({ room, event, key }) {
    const relation = { rel_type: "m.annotation", event_id: event, key };
    return (await client.sendEvent(room, "m.reaction", { "m.relates_to": relation })).event_id;
  },

  async redact({ room, event }) {
    return (await client.redactEvent(room, event)).event_id;
  },

  async sendImage({ room, pngBase64 }) {
    const png = Buffer.from(pngBase64, "base64");
    const locked = Attachment.encrypt(png);
    const { content_uri: url } = await client.uploadContent(locked.encryptedData, {
      type: "application/octet-stream",
    });
    const file = { ...JSON.parse(locked.mediaEncryptionInfo), url };
    const info = { mimetype: "image/png", size: png.length };
    return said(room, { msgtype: "m.image", body: "image.png", info, file, "m.mentions": {} });
  },

  /** The bytes of an encrypted file somebody sent, in base64. */
  async download({ room, event }) {
    const found = timeline(client, room).find((one) => one.getId() === event);
    const { url, ...keys } = found.getContent().file;
    const address = client.mxcUrlToHttp(url, undefined, undefined, undefined, false, true, true);
    const headers = { Authorization: `Bearer ${client.getAccessToken()}` };
    const response = await fetch(address, { headers });
    if (!response.ok) throw new Error(`the download of ${url} ended with ${response.status}`);
    const bytes = new Uint8Array(await response.arrayBuffer());
    const locked = new EncryptedAttachment(bytes, JSON.stringify(keys));
    return Buffer.from(Attachment.decrypt(locked)).toString("base64");
  },

  async events({ room, since }) {
    return Promise.all(timeline(client, room, since).map((event) => shown(client, event)));
  },

  /** The newest event that matches, once it is decrypted (or given up, if not `readable`). */
  async waitFor({ room, timeout = 20, readable = true, ...wanted }) {
    const until = Date.now() + timeout * 1000;
    while (true) {
      const found = timeline(client, room).findLast((event) => matches(event, wanted));
      const failure = found?.decryptionFailureReason;
      if (found && settled(found) && !(readable && failure)) return shown(client, found);
      if (Date.now() > until) {
        const state = failure ?? "not decrypted yet";
        const seen = found ? `${found.getId()} is there: ${state}` : "no such event";
        throw new Error(`waited ${timeout} s for ${JSON.stringify(wanted)}: ${seen}`);
      }
      await sleep(50);
    }
  },

  /** What this client thinks of a device, and of the identity of its owner. */
  async deviceTrust({ userId, deviceId }) {
    const crypto = client.getCrypto();
    await crypto.getUserDeviceInfo([userId], true);
    const device = await crypto.getDeviceVerificationStatus(userId, deviceId);
    const user = await crypto.getUserVerificationStatus(userId);
    return {
      known: device !== null,
      signedByOwner: device?.signedByOwner ?? false,
      verified: device?.isVerified() ?? false,
      ownerVerified: user.isCrossSigningVerified(),
      ownerChanged: user.needsUserApproval,
    };
  },

  /** Turn encryption on in a room that had none. */
  async encrypt({ room }) {
    const content = { algorithm: "m.megolm.v1.aes-sha2" };
    return (await client.sendStateEvent(room, "m.room.encryption", content, "")).event_id;
  },

  /** What the homeserver has of a room, oldest first, as it was sent. */
  async raw({ room }) {
    const page = await client.createMessagesRequest(room, null, 500, "b");
    return page.chunk.reverse();
  },

  async stop() {
    client?.stopClient();
    requests.close();
  },
};

/** Wait until a sync has shown this client in a room. */
async function arrived(room) {
  while (client.getRoom(room)?.getMyMembership() !== "join") await sleep(20);
  return room;
}

function plain(text) {
  return { msgtype: "m.text", body: text, "m.mentions": {} };
}

async function said(room, content) {
  return (await client.sendEvent(room, "m.room.message", content)).event_id;
}

/** The first upload of an identity may need no password; a later one does. */
async function withPassword(upload, user, password) {
  try {
    return await upload(null);
  } catch (error) {
    if (error.httpStatus !== 401) throw error;
    const identifier = { type: "m.id.user", user };
    const { session } = error.data;
    return upload({ type: "m.login.password", identifier, password, session });
  }
}

async function answer(line) {
  const { id, op, ...request } = JSON.parse(line);
  try {
    if (!Object.hasOwn(operations, op)) throw new Error(`there is no operation ${op}`);
    return { id, ok: true, result: (await operations[op](request)) ?? null };
  } catch (error) {
    console.error(error);
    return { id, ok: false, error: String(error?.message ?? error) };
  }
}

const requests = createInterface({ input: process.stdin });
requests.on("line", async (line) => {
  process.stdout.write(JSON.stringify(await answer(line)) + "\n");
});
requests.on("close", () => setImmediate(() => process.exit(0)));
