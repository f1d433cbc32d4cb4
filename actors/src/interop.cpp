#include <tandem/actors/caf.hpp>

#include "caf_bridge.hpp"
#include "face.hpp"
#include "host.hpp"
#include "system_impl.hpp"

namespace tandem::actors {
namespace detail {
namespace {

// The sender of one request: lives until the answer came or nobody can answer any more.
class reply_port final : public caf::local_actor {
 public:
  reply_port(caf::actor_config& config, tandem::detail::completion<caf::message>* answer)
      : caf::local_actor(config), answer_(answer) {}

  void enqueue(caf::mailbox_element_ptr what, caf::execution_unit*) override {
    if (!what->mid.is_response() || answered_.exchange(true, std::memory_order_acq_rel)) return;
    const auto& content = what->content();
    if (content.match_elements<caf::error>()) {
      answer_.complete(fail(from_caf(content.get_as<caf::error>(0))));
    } else {
      answer_.complete(what->move_content_to_message());
    }
  }
  void launch(caf::execution_unit*, bool, bool) override {}
  void on_destroy() override {
    if (!answered_.exchange(true, std::memory_order_acq_rel))
      answer_.complete(fail(errc::unavailable, "the CAF actor dropped the request without an answer"));
    caf::local_actor::on_destroy();
  }

 private:
  std::atomic<bool> answered_{false};
  const tandem::detail::completion_ptr<caf::message> answer_;
};

}  // namespace

caf::strong_actor_ptr strong_handle(const target_ptr& t) {
  auto* const local = dynamic_cast<cell*>(t.get());
  return local ? face_of(*local) : caf::strong_actor_ptr();
}

void expose(system& s, std::type_index type, caf::message (*wrap)(void* value)) {
  system_access::impl(s).caf->expose(type, wrap);
}

caf::strong_actor_ptr make_reply_port(system& s, tandem::detail::completion<caf::message>* answer) {
  caf::actor_system& system = system_access::impl(s).caf->system();
  caf::actor_config config;
  return caf::make_actor<reply_port, caf::strong_actor_ptr>(system.next_actor_id(), system.node(), &system, config,
                                                            answer);
}

}  // namespace detail

caf::actor_system& caf_system(system& s) noexcept { return detail::system_access::impl(s).caf->system(); }

error error_from_caf(const caf::error& e) { return detail::from_caf(e); }
caf::error error_to_caf(const error& e) { return detail::to_caf(e); }

}  // namespace tandem::actors
