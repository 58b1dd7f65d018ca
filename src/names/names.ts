/**
 * The names room: what is in the directories of a large tree, without the cost of a map and strings for each.
 *
 * Owns one table. Promises: a name takes its own bytes and some thirty more, whatever directory it is in. Knows no file
 * systems: what a directory's number and a name's value mean is for others.
 */
export { NameTable } from "./name-table.ts";
