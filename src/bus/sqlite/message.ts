/** A new message, as the programs that share the bus write it. */
export const INSERT_MESSAGE = `
  INSERT INTO messages
    (conversation_id, from_session, to_session, message, metadata, timestamp, read)`;

/** The same with its values: conversation, from, to, message, metadata, timestamp in naive UTC. Unread. */
export const PUT_MESSAGE = `${INSERT_MESSAGE} VALUES (?, ?, ?, ?, ?, ?, 0)`;
