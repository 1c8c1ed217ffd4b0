/**
 * The closed list of failpoints, each with the moment it stands for. A name is used once in the
 * code, in the process that the heading names; a test compares.
 */
export const FAILPOINTS = {
  // autopoll: claiming
  'claim.pre': 'before a claim asks for the write lock',
  'claim.begin': 'a claim has the write lock and has changed nothing',
  'claim.ingest': 'new rows are taken in, not committed',
  'claim.lease': 'questions are leased, not committed',
  'claim.commit': 'leases are committed, the worker does not know',
  // autopoll: asking
  'send.pre': 'a leased question is about to be sent',
  'send.post': 'questions have been written to the socket',
  // autopoll: answering
  'ans.pre': 'an answer has come and nothing of it is on the bus',
  'ans.begin': 'answers are about to be written, under the write lock',
  'ans.readflag': 'questions are marked read, their answers not inserted',
  'ans.insert': 'answer rows are inserted, their audit and terminal rows not',
  'ans.sidecar': 'terminal rows are inserted as well, not committed',
  'ans.commit': 'answers are committed, the worker does not know',
  'write.commit': 'before the COMMIT of any transaction',
  'retry.write': 'a failed question is given back, its attempt not noted',
  'release.write': 'an untried question is about to be given back',
  // autopoll: looking after leases
  'lease.renew': 'a lease is about to be renewed, under the write lock',
  'reap.select': 'the reaper has chosen what to free and freed nothing',
  'reap.update': 'a lease is taken away, its attempt not noted',
  'drain.mid': 'an autopoll that stops claims nothing more and waits for its turns',
  // server
  'srv.accept': 'a connection has come',
  'srv.parse': 'a line is a request, not handled yet',
  'srv.enqueue': 'a query is about to be given to an engine',
  'srv.drain': 'a server that stops takes nothing more and waits for its queries',
  'eng.open': 'a session is about to be opened',
  'eng.turn': 'a question is about to be given to a session',
  'eng.firstbyte': 'a session has shown a sign of life',
  'eng.result': 'a session has answered and nobody knows',
  'recycle.swap': 'a new session takes over from a worn one',
  'reply.pre': 'an answer is about to be put into a reply',
  'reply.post': 'replies have been written to the socket',
} as const;

export type Failpoint = keyof typeof FAILPOINTS;

export function isFailpoint(name: string): name is Failpoint {
  return Object.hasOwn(FAILPOINTS, name);
}
