#ifndef FATHOM_SRC_STRATEGY_FLOW_TABLE_H_
#define FATHOM_SRC_STRATEGY_FLOW_TABLE_H_

#include <cstddef>
#include <cstdint>
#include <optional>
#include <vector>

#include "fathom/address.h"
#include "fathom/probe.h"
#include "src/strategy/balancers.h"

namespace fathom {

// What one target's /24 was asked so far: a row for each flow, a column for
// each TTL from the first on, 64 at most. A row is an address and a flow
// number.
//
// A column is a bit of a set. 72 bytes a row and 4 a cell.
class FlowTable {
 public:
  static constexpr size_t kMaxColumns = 64;

  struct Row {
    IpAddress address;
    FlowId flow;
    uint64_t asked = 0;
    uint64_t known = 0;    // Answered, or it was waited for in vain.
    uint64_t silent = 0;   // Of these the latter.
    uint64_t fresh = 0;    // Known, and nothing was made of it yet.
    uint64_t counted = 0;  // As a sample of the balancer before it.
    uint64_t loose = 0;    // The hop before it must be asked, for the link.
  };

  explicit FlowTable(size_t columns) : columns_(columns) {}

  static constexpr uint64_t Bit(size_t column) { return uint64_t{1} << column; }

  size_t columns() const { return columns_; }
  size_t rows() const { return rows_.size(); }
  Row& row(size_t r) { return rows_[r]; }
  const Row& row(size_t r) const { return rows_[r]; }

  void AddRow(const IpAddress& address, FlowId flow) {
    rows_.push_back({.address = address, .flow = flow});
    nodes_.resize(nodes_.size() + columns_);
  }

  std::optional<size_t> Find(const IpAddress& address, FlowId flow) const {
    for (size_t r = 0; r < rows_.size(); ++r) {
      if (rows_[r].address == address && rows_[r].flow == flow) return r;
    }
    return std::nullopt;
  }

  bool Asked(size_t r, size_t column) const {
    return (rows_[r].asked & Bit(column)) != 0;
  }
  bool Known(size_t r, size_t column) const {
    return (rows_[r].known & Bit(column)) != 0;
  }

  // Of a known cell; 0 if it is nothing that a path goes on from.
  Node node(size_t r, size_t column) const {
    return nodes_[r * columns_ + column];
  }
  // Of a cell of which something was made already; else 0.
  Node ReadNode(size_t r, size_t column) const {
    const uint64_t read = rows_[r].known & ~rows_[r].fresh;
    return (read & Bit(column)) != 0 ? node(r, column) : 0;
  }
  void SetNode(size_t r, size_t column, Node node) {
    nodes_[r * columns_ + column] = node;
  }

 private:
  const size_t columns_;
  std::vector<Row> rows_;
  std::vector<Node> nodes_;
};

}  // namespace fathom

#endif  // FATHOM_SRC_STRATEGY_FLOW_TABLE_H_
