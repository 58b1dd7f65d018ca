/** Where the content of one file goes, as an archive tells it: bytes and holes, from its beginning to its end. */
export interface FileSink {
  /** The next bytes. They are taken at once: the chunk can be used again. */
  write(chunk: Uint8Array): void;
  /** The next `bytes` bytes are zeros. */
  hole(bytes: number): void;
  /** Nothing follows. */
  close(): void;
}
