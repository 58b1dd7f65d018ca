/* The system calls that can be made to fail, and what each is about. */
#ifndef BANGER_FAULTS_CALLS_H
#define BANGER_FAULTS_CALLS_H

#include <stddef.h>

enum about {
	PATH,    /* argument 0 is a path */
	AT,      /* arguments 0 and 1 are a directory and a path */
	FD,      /* argument 0 is a descriptor */
	LINK,    /* argument 1 is the path of a link */
	LINK_AT, /* arguments 1 and 2 are a directory and the path of a link in it */
	NOTHING, /* makes a descriptor or a process: concerns every directory */
};

/*
 * Calls that fail together: on a full disk (of the opens only those that make a file), without descriptors. And those that
 * change what there is by its name, or make such a change outlive a power cut.
 */
enum group { SPACE = 1, DESCRIPTORS = 2, NAMES = 4 };

struct call {
	const char *name;
	int number;
	enum about about;
	int groups;
};

extern const struct call calls[];
extern const size_t call_count;
/* More than there are: for what needs a size that the compiler knows. */
#define MAX_CALLS 64

#endif
