// The names of csp, for headers that only mention them.
#pragma once

namespace tandem::csp {

template <class T>
class sender;
template <class T>
class receiver;
class complete_pipeline;
class group;
class rate;
class token_bucket;
template <class F>
class async_function;
template <class T>
class collect;
template <class T>
class pipeline;

namespace detail {
class channel_base;
template <class T>
class channel;
class select_arm;
}  // namespace detail

}  // namespace tandem::csp
