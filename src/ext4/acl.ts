/**
 * POSIX ACLs, from the form that getxattr and tar have (version 2, linux/posix_acl_xattr.h) to the one on the disk
 * (version 1, fs/ext4/acl.h): there only entries of named users and groups have room for an id.
 */
import { BangerError } from "../base/base.ts";

const entryBytes = 8;
/** ACL_USER and ACL_GROUP */
const named = [0x02, 0x08];
/** ACL_USER_OBJ, ACL_GROUP_OBJ, ACL_MASK, ACL_OTHER */
const unnamed = [0x01, 0x04, 0x10, 0x20];

export function aclOnDisk(value: Uint8Array): Buffer {
  const from = Buffer.from(value.buffer, value.byteOffset, value.length);
  if (from.length < 4 || from.readUInt32LE(0) !== 2 || (from.length - 4) % entryBytes !== 0)
    throw malformed();
  const parts: Buffer[] = [Buffer.from([1, 0, 0, 0])];
  for (let at = 4; at < from.length; at += entryBytes) {
    const tag = from.readUInt16LE(at);
    if (named.includes(tag)) parts.push(from.subarray(at, at + 8));
    else if (unnamed.includes(tag)) parts.push(from.subarray(at, at + 4));
    else throw malformed();
  }
  return Buffer.concat(parts);
}

function malformed(): BangerError {
  return new BangerError("bad_request", "an access control list is malformed");
}
