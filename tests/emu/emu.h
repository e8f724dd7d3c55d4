/* Forced into every kernel file that a C++ compiler compiles for the emulated card: gives runtime/cuda its
 * meaning of machine.cuh, and CUDA's own words. How it runs: block.h.
 */
#ifndef UN_EMU_H
#define UN_EMU_H

#include "tests/emu/block.h"
#include "tests/emu/copies.h"
#include "tests/emu/intrinsics.h"
#include "tests/emu/types.h"
#include "tests/emu/warp.h"

#endif
