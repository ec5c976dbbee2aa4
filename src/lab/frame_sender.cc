#include "src/lab/frame_sender.h"

#include <algorithm>
#include <cerrno>
#include <memory>
#include <utility>

#include "src/base/status_macros.h"
#include "src/net/link_socket.h"

namespace fathom::lab {

absl::StatusOr<FrameSender> FrameSender::Open(const Interface& interface) {
  FATHOM_ASSIGN_OR_RETURN(UniqueFd socket, OpenSender(interface, 4 * kBatch));
  return FrameSender(interface, std::move(socket));
}

FrameSender::FrameSender(Interface interface, UniqueFd socket)
    : interface_(std::move(interface)),
      socket_(std::move(socket)),
      batch_(std::make_unique<Batch>()) {
  const size_t link_header = LinkHeaderSize(interface_);
  for (size_t i = 0; i < kBatch; ++i) {
    EthernetHeader& header = batch_->headers[i];
    std::copy(interface_.mac.begin(), interface_.mac.end(), header.source);
    batch_->parts[i][0] = {.iov_base = &header, .iov_len = link_header};
    batch_->messages[i] = {};
    batch_->messages[i].msg_hdr.msg_iov = batch_->parts[i].data();
    batch_->messages[i].msg_hdr.msg_iovlen = 2;
  }
}

absl::Status FrameSender::Add(std::span<const std::byte> packet, uint16_t type,
                              const MacAddress& to) {
  if (count_ == kBatch) FATHOM_RETURN_IF_ERROR(Flush());
  EthernetHeader& header = batch_->headers[count_];
  std::copy(to.begin(), to.end(), header.destination);
  header.type = type;
  // The kernel only reads from it.
  batch_->parts[count_][1] = {.iov_base = const_cast<std::byte*>(packet.data()),
                              .iov_len = packet.size()};
  ++count_;
  return absl::OkStatus();
}

absl::Status FrameSender::Flush() {
  const size_t count = std::exchange(count_, 0);
  for (size_t done = 0; done < count;) {
    const int taken = sendmmsg(socket_.get(), &batch_->messages[done],
                               static_cast<unsigned>(count - done), 0);
    if (taken > 0) {
      done += static_cast<size_t>(taken);
      sent_ += static_cast<uint64_t>(taken);
    } else if (MeansDeviceGone(errno)) {
      lost_ += count - done;
      return DeviceGone(interface_, errno);
    } else if (errno != EINTR) {
      // The one frame: too long for the interface, or its queue is full.
      ++done;
      ++lost_;
    }
  }
  return absl::OkStatus();
}

}  // namespace fathom::lab
