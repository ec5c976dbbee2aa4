#ifndef FATHOM_SRC_LAB_IPV6_H_
#define FATHOM_SRC_LAB_IPV6_H_

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>

#include "fathom/address.h"
#include "src/lab/probe_packet.h"
#include "src/lab/reply.h"

namespace fathom::lab {

// The lab over IPv6: the same routers, hosts and ways, under other addresses.
//
// The /24 a.b.c.0 is the /64 fd00:0:aa:bbcc::, and a.b.c.d its address d; other
// addresses of the /64 are hosts of it as well, each alike to the one that its
// last octet names. So whatever is known about the lab is known over IPv6, and
// nothing of the model is written twice: a packet is read as the one over IPv4
// that goes the same way, and the answer is written as IPv6.
//
// Packets that nobody sent, forged or garbage, stay IPv4.

IpAddress ToIpv6(uint32_t address);

// The lab's address of which `address` is another name; 0, which nobody has, if
// it is outside of the lab.
uint32_t FromIpv6(const IpAddress& address);

// As ReadProbe(). The first header must be followed by the transport.
std::optional<ProbePacket> ReadIpv6Probe(std::span<const std::byte> bytes);

// As HasRightChecksum().
bool HasRightIpv6Checksum(const ProbePacket& probe);

// As the functions of reply.h, for a probe that was read here.
size_t Ipv6ErrorSize(const ProbePacket& probe, const IcmpError& error);
void WriteIpv6Error(const ProbePacket& probe, const ReplyHeader& header,
                    const IcmpError& error, std::span<std::byte> out);
size_t Ipv6EchoReplySize(const ProbePacket& probe);
void WriteIpv6EchoReply(const ProbePacket& probe, const ReplyHeader& header,
                        std::span<std::byte> out);
inline constexpr size_t kIpv6TcpAnswerSize = kTcpAnswerSize + 20;
void WriteIpv6TcpAnswer(const ProbePacket& probe, const ReplyHeader& header,
                        bool open, std::span<std::byte> out);

}  // namespace fathom::lab

#endif  // FATHOM_SRC_LAB_IPV6_H_
