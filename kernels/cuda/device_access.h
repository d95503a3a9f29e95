// DeviceAccess: what a transport that moves device memory itself needs besides Backend: the streams
// as the device's own library knows them, and memory that the transport has registered. The plugin
// of the device exports device_access() by kDeviceAccessSymbol; the object is the backend's.
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "libcore/tensor/backend.h"

namespace ballast {

// Memory of a transport's library. The owner of what it allocates, also after the transport.
class RegisteredMemory {
 public:
  virtual ~RegisteredMemory() = default;
  virtual void* allocate(int64_t bytes) = 0;  // throws DeviceError
  virtual bool owns(void* data) const = 0;
  virtual void release(void* data) = 0;  // what it owns
};

class DeviceAccess {
 public:
  virtual ~DeviceAccess() = default;
  // cudaStream_t; in the emulation an EmulatedStream*.
  virtual void* stream_handle(StreamId stream) const = 0;
  virtual bool emulated() const = 0;
  // Different for the devices of a host; ranks with the same one share a device.
  virtual std::string identity() const = 0;
  // Whether the device has come to the event; throws DeviceError. Any thread.
  virtual bool reached(EventId event) const = 0;
  // For allocate(bytes, true) from here on.
  virtual void use_registered_memory(std::shared_ptr<RegisteredMemory> memory) = 0;
};

using DeviceAccessFunction = DeviceAccess* (*)(Backend* backend);
inline constexpr const char* kDeviceAccessSymbol = "ballast_device_access";

}  // namespace ballast
