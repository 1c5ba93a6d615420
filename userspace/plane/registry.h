// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
// The data planes there are, a row each.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string_view>

#include "plane/configuration.h"
#include "plane/plane.h"

namespace svcbench {

// A behaviour of Services (verify/cases.h, by its name) that a plane does not offer, and why, in a
// sentence.
struct Lack {
  std::string_view behaviour;
  std::string_view reason;
};

// What a plane is made of.
enum class PlaneKind : std::uint8_t { none, iptables, nftables, ipvs, ebpf };

struct PlaneRow {
  std::string_view name;
  std::string_view summary;
  std::string_view requires_kernel;  // in a word or two
  // Whether this machine can run it: an Error says in a sentence why not, and what to do. Called inside a
  // network namespace that is thrown away, and leaves nothing elsewhere. Null: part of another command, not
  // a plane of the wire.
  Status (*probe)() = nullptr;
  // The plane, empty, in the current network namespace.
  Result<std::unique_ptr<DataPlane>> (*make)(const PlaneConfiguration& configuration) = nullptr;
  PlaneKind kind = PlaneKind::none;  // none: no services are programmed into it
  bool runs_tools = false;           // programs it by child processes
  bool runs_binary = false;          // a program of the user's (PlaneConfiguration::kube_proxy.binary)
  // It works on frames at XDP: a veth must hand them over whole.
  bool sees_frames = false;
  std::span<const Lack> lacks{};
  // Why its path cannot be measured from wire to wire; empty: it translates packets.
  std::string_view off_wire{};
  // How it delivers packets: what DataPlane::delivery() says of its planes where no choice is made.
  Delivery delivery = Delivery::translated;
  // The plane that this one is, but for one choice; it is measured only where it is named. Empty: a plane.
  std::string_view variant_of{};
  // Verdicts (stats/verdict.h, by their ids) that rest on its figures.
  std::span<const std::string_view> claims{};
  // As pages and charts have it: "eBPF, XDP"; its colour, --plane-COLOUR of web/report.css; its mark, of
  // web/figure.js. Empty: its name, and what others have.
  std::string_view label{};
  std::string_view colour{};
  std::string_view mark{};
  // No plane, but what the wire or a socket is measured with: a row of results only.
  bool is_instrument = false;
};

[[nodiscard]] std::span<const PlaneRow> planes();
// Of a plane that wraps packets by choice (EbpfChoice::dsr), in place of its row's.
[[nodiscard]] std::span<const Lack> lacks_of_direct_return();
[[nodiscard]] const PlaneRow* find_plane(std::string_view name);  // null: there is none

// ---- of a name that a result has; nobody has checked it ----

// none: no services are programmed into it, or this program knows no such plane.
[[nodiscard]] PlaneKind kind_of(std::string_view plane);
[[nodiscard]] bool is_netfilter(PlaneKind kind);
// Whether it is plain forwarding: what all planes stand on.
[[nodiscard]] bool is_floor(std::string_view plane);
[[nodiscard]] bool is_instrument(std::string_view plane);
[[nodiscard]] bool bears(std::string_view plane, std::string_view claim);

}  // namespace svcbench
