/* The control groups of this process, versions 1 and 2. */
#ifndef UN_RUNTIME_CGROUP_H
#define UN_RUNTIME_CGROUP_H

/* visit(context, folder) for each group that the file `groups` (/proc/self/cgroup) lists, and for all above it, below `root`
 * (/sys/fs/cgroup): of version 2 all, of version 1 those of `controller` ("cpu"). A folder may be visited twice, and one that is
 * not visible from inside a container does not exist. */
void un_cgroups_each(const char *groups, const char *root, const char *controller,
                     void (*visit)(void *context, const char *folder), void *context);

#endif
