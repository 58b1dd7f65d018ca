/** Names of images and kernels: of files and directories, too. */
export const artifactNameGrammar = /^[a-z0-9][a-z0-9._-]{0,63}$/;
/** What is said of a name that is none. */
export const artifactNameRule = "must be a-z and 0-9, with . _ - behind the first, 64 at most";
