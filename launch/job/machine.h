/* What kind of machine a rank runs on, as far as the last digits of its sums may depend on it. */
#ifndef UN_LAUNCH_JOB_MACHINE_H
#define UN_LAUNCH_JOB_MACHINE_H

#include "runtime/device.h"

enum { UN_MACHINE_TEXT = 256 };

/* Model of the processor and which vector instructions it shows; "unknown" where nobody tells. With bf16 on the CPU:
 * un_machine_instructions. */
void un_machine_processor(char text[UN_MACHINE_TEXT], const struct un_device *device, enum un_type type);
/* The same of a text like /proc/cpuinfo: its first processor. */
void un_machine_parse(char text[UN_MACHINE_TEXT], const char *cpuinfo);
/* Of all that only what sums of products in bf16 on the CPU depend on: these have an order of their own
 * (runtime/cpu/product.h), and the C library chooses by these instructions. */
void un_machine_instructions(char text[UN_MACHINE_TEXT], const char *cpuinfo);
/* The device's kernels, without what differs between ranks of one machine (threads, number of the card). type: that of
 * the factors of products. */
void un_machine_kernels(char text[UN_MACHINE_TEXT], const struct un_device *device, enum un_type type);
/* The C library's version: its exp and log choose by the processor, too. */
void un_machine_library(char text[UN_MACHINE_TEXT]);
/* Bytes and digest of the program's file. */
void un_machine_build(char text[UN_MACHINE_TEXT]);
/* All of a rank in a line: what a checkpoint keeps. */
void un_machine_kind(char text[UN_MACHINE_TEXT], const struct un_device *device, enum un_type type);
/* The name of this host. */
void un_machine_host(char text[65]);

#endif
