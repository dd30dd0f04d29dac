// Package ext stands in for a nested module that Traefik's go.mod replaces by a directory and never publishes.
// Upstream's open-source build has these two types empty as well: they are where its commercial edition adds fields.
package ext

// HTTP holds no extension of the HTTP configuration.
type HTTP struct{}

// DeepCopyInto copies nothing.
func (in *HTTP) DeepCopyInto(out *HTTP) { *out = *in }

// Router holds no extension of a router.
type Router struct{}

// DeepCopyInto copies nothing.
func (in *Router) DeepCopyInto(out *Router) { *out = *in }
