/**
 * A context file: the document a question is answered from. It has passed every check of the
 * allowed roots; engines never see a path that a client sent.
 */
export interface ContextFile {
  /** How citations name it: the path below its root with forward slashes, `notes/RESUME.md`. */
  readonly name: string;
  /** The real path, links resolved. */
  readonly path: string;
  /** Changes whenever the bytes may have changed: device, inode, size, mtime and ctime. */
  readonly identity: string;
  /** Size in bytes when it was checked. */
  readonly sizeBytes: number;
  /**
   * Reads the file from one descriptor, opened without following links, after every rule was
   * checked again on that descriptor. A file edited since it was resolved gives its newer bytes;
   * one swapped for something that is not allowed is refused.
   * @throws WarmlineError `context_denied`, `context_missing` or `context_too_large`
   */
  read(): Promise<Buffer>;
}

export interface ContextRoots {
  /**
   * Finds the context file for a question. Without a name: the default context, or undefined
   * when there is none.
   * @throws WarmlineError `context_denied`, `context_missing` or `context_too_large`
   */
  resolve(requested: string | undefined): Promise<ContextFile | undefined>;
}
