// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
// What a device does for the kernel's stack, or leaves to it.
#pragma once

#include <string>

#include "sys/result.h"

namespace svcbench {

// All are of a device of the calling thread's network namespace.
//
// Off: packets that leave by it are whole, with their checksums and at most an MTU long, as they come out
// of a NIC. (A veth hands a checksum that is still to be computed to its peer, whose XDP program cannot
// know.)
Status leave_checksums_to_device(const std::string& device, bool on);
// On, a veth receives by NAPI, and takes the frames that an XDP program redirects to its peer.
Status coalesce_received(const std::string& device, bool on);
// Puts a program at the device's XDP hook that lets every frame pass. It goes with the device. Without one
// a veth leaves what its peer's program sends back (XDP_TX) in its ring until something else comes.
Status pass_all_frames(const std::string& device);

}  // namespace svcbench
