/*
 * The device-mapper by its control device. Structures and numbers: linux/dm-ioctl.h; protocol: the kernel's
 * Documentation/admin-guide/device-mapper. Every function returns a value >= 0, or -errno.
 *
 * A device is made inactive (DM_DEV_CREATE), given a table (DM_TABLE_LOAD) and resumed (DM_DEV_SUSPEND without
 * DM_SUSPEND_FLAG), which makes the table live. After its creation a device is always named by its UUID: one that only
 * looks like ours is never even found.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/dm-ioctl.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

enum { room = 16384 };

struct request {
  struct dm_ioctl head;
  char data[room];
};

static void prepare(struct request *request, const char *uuid) {
  memset(request, 0, sizeof *request);
  /* 4.0.0: the kernel takes every request of its own major version. */
  request->head.version[0] = DM_VERSION_MAJOR;
  request->head.data_size = sizeof *request;
  request->head.data_start = offsetof(struct request, data);
  if (uuid != NULL) strncpy(request->head.uuid, uuid, sizeof request->head.uuid - 1);
}

static int issue(unsigned long command, struct request *request) {
  int control = open("/dev/" DM_DIR "/" DM_CONTROL_NODE, O_RDWR | O_CLOEXEC);
  /* No node, or no driver behind it: the kernel has no device-mapper (loaded). */
  if (control < 0) return errno == ENOENT || errno == ENODEV || errno == ENXIO ? -EOPNOTSUPP : -errno;
  int status = ioctl(control, command, request) < 0 ? -errno : 0;
  close(control);
  return status;
}

/*
 * An inactive device with this very minor number (DM_PERSISTENT_DEV_FLAG; the major is the device-mapper's). -EBUSY
 * when name, UUID or minor are taken.
 */
int banger_dm_create(const char *name, const char *uuid, uint32_t minor) {
  struct request request;
  prepare(&request, uuid);
  strncpy(request.head.name, name, sizeof request.head.name - 1);
  request.head.flags = DM_PERSISTENT_DEV_FLAG;
  /* The kernel's own encoding of a device number (huge_encode_dev of linux/kdev_t.h); the major is not looked at. */
  request.head.dev = (minor & 0xff) | ((uint64_t)(minor & ~0xffu) << 12);
  return issue(DM_DEV_CREATE, &request);
}

/* A table of one target over the whole device. */
int banger_dm_load(const char *uuid, uint64_t sectors, const char *type, const char *parameters) {
  struct request request;
  prepare(&request, uuid);
  request.head.target_count = 1;
  struct dm_target_spec *spec = (struct dm_target_spec *)request.data;
  size_t length = strlen(parameters) + 1;
  if (sizeof *spec + length > room) return -EINVAL;
  spec->length = sectors;
  strncpy(spec->target_type, type, sizeof spec->target_type - 1);
  memcpy(request.data + sizeof *spec, parameters, length);
  spec->next = (uint32_t)((sizeof *spec + length + 7) & ~(size_t)7);
  return issue(DM_TABLE_LOAD, &request);
}

int banger_dm_resume(const char *uuid) {
  struct request request;
  prepare(&request, uuid);
  return issue(DM_DEV_SUSPEND, &request);
}

int banger_dm_remove(const char *uuid) {
  struct request request;
  prepare(&request, uuid);
  return issue(DM_DEV_REMOVE, &request);
}

static void report(const struct request *request, uint32_t *out, char *name) {
  uint64_t dev = request->head.dev;
  out[0] = (uint32_t)((dev & 0xfff00) >> 8);
  out[1] = (uint32_t)((dev & 0xff) | ((dev >> 12) & 0xfff00));
  out[2] = (uint32_t)request->head.open_count;
  out[3] = request->head.flags & DM_ACTIVE_PRESENT_FLAG ? 1 : 0;
  memcpy(name, request->head.name, DM_NAME_LEN);
  name[DM_NAME_LEN - 1] = 0;
}

/* Major, minor, open count and whether a table is live into out[0..3]; its name into name[128]. */
int banger_dm_info(const char *uuid, uint32_t *out, char *name) {
  struct request request;
  prepare(&request, uuid);
  int status = issue(DM_DEV_STATUS, &request);
  if (status == 0) report(&request, out, name);
  return status;
}

/* The UUID of the device of a name, into uuid[129]. */
int banger_dm_uuid(const char *name, char *uuid) {
  struct request request;
  prepare(&request, NULL);
  strncpy(request.head.name, name, sizeof request.head.name - 1);
  int status = issue(DM_DEV_STATUS, &request);
  if (status == 0) memcpy(uuid, request.head.uuid, DM_UUID_LEN);
  return status;
}

/* "TYPE TEXT" of the first target of the live table: its status or, if asked, its table line. Returns the length. */
int banger_dm_status(const char *uuid, int table, char *out, uint32_t size) {
  struct request request;
  prepare(&request, uuid);
  /* Without DM_NOFLUSH_FLAG a status would first write everything out. */
  request.head.flags = DM_NOFLUSH_FLAG | (table ? DM_STATUS_TABLE_FLAG : 0);
  int status = issue(DM_TABLE_STATUS, &request);
  if (status < 0) return status;
  if (request.head.target_count == 0) return -ENODATA;
  if (request.head.flags & DM_BUFFER_FULL_FLAG) return -ENOSPC;
  const char *data = (const char *)&request + request.head.data_start;
  const struct dm_target_spec *spec = (const struct dm_target_spec *)data;
  int length = snprintf(out, size, "%.*s %s", DM_MAX_TYPE_NAME, spec->target_type, data + sizeof *spec);
  return length >= (int)size ? -ENOSPC : length;
}

/* The names of all devices, each with its NUL, into out. Returns how many bytes they are. */
int banger_dm_list(char *out, uint32_t size) {
  static struct {
    struct dm_ioctl head;
    char data[1 << 20];
  } all;
  prepare((struct request *)&all, NULL);
  all.head.data_size = sizeof all;
  int status = issue(DM_LIST_DEVICES, (struct request *)&all);
  if (status < 0) return status;
  if (all.head.flags & DM_BUFFER_FULL_FLAG) return -ENOSPC;
  const struct dm_name_list *entry = (const void *)((const char *)&all + all.head.data_start);
  uint32_t used = 0;
  /* dev 0: the list is empty. */
  for (; entry->dev != 0; entry = (const void *)((const char *)entry + entry->next)) {
    uint32_t length = (uint32_t)strlen(entry->name) + 1;
    if (used + length > size) return -ENOSPC;
    memcpy(out + used, entry->name, length);
    used += length;
    if (entry->next == 0) break;
  }
  return (int)used;
}
