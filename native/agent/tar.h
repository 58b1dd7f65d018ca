/* Tar streams: run in a child of the agent; both return its exit status and say on stderr what was wrong. */
#ifndef BANGER_TAR_H
#define BANGER_TAR_H

int unpack_main(const char *root);
int pack_main(const char *path);

#endif
