// Timeline events as plain values: what this client shows a person, and how far it trusts it.

import { EventShieldColour, EventShieldReason } from "matrix-js-sdk/lib/crypto-api/index.js";

/** The timeline of a room, oldest first, after `since` (an event id) where that is given. */
export function timeline(client, roomId, since) {
  const room = client.getRoom(roomId);
  if (!room) throw new Error(`${roomId} is not a room this client is in`);
  const events = room.getLiveTimeline().getEvents();
  if (!since) return events;
  const at = events.findIndex((event) => event.getId() === since);
  if (at < 0) throw new Error(`${since} is not in the timeline of ${roomId}`);
  return events.slice(at + 1);
}

/** One event with its last edit applied. `failure` says why it could not be decrypted. */
export async function shown(client, event) {
  return {
    type: event.getType(),
    sender: event.getSender(),
    eventId: event.getId(),
    content: event.getContent(),
    editId: event.replacingEventId() ?? null,
    redacted: event.isRedacted(),
    relation: relation(event),
    encrypted: event.isEncrypted(),
    failure: event.decryptionFailureReason,
    shield: await shield(client, event),
  };
}

/** Whether decryption of an event was tried and is over, successful or not. */
export function settled(event) {
  const tried = !event.isEncrypted() || event.getClearContent() || event.isDecryptionFailure();
  return Boolean(tried || event.isRedacted()) && !event.isBeingDecrypted();
}

/** Whether an event is the one a request describes; what it does not name does not matter. */
export function matches(event, { eventId, relatesTo, relType, sender, text }) {
  const related = relation(event);
  const answered = related?.["m.in_reply_to"]?.event_id;
  return (
    (!eventId || event.getId() === eventId) &&
    (!relatesTo || related?.event_id === relatesTo || answered === relatesTo) &&
    (!relType || related?.rel_type === relType) &&
    (!sender || event.getSender() === sender) &&
    (!text || String(event.getContent().body ?? "").includes(text))
  );
}

/** Relations stay readable on the wire, of encrypted events as well. */
function relation(event) {
  return event.getWireContent()["m.relates_to"] ?? null;
}

async function shield(client, event) {
  const info = await client.getCrypto().getEncryptionInfoForEvent(event);
  if (!info) return null;
  return {
    colour: EventShieldColour[info.shieldColour].toLowerCase(),
    reason: info.shieldReason === null ? null : EventShieldReason[info.shieldReason],
  };
}
