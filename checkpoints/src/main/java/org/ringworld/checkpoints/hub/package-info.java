/**
 * Models and data of Hugging Face's hub, fetched over plain HTTP into the cache that its own
 * programs use. Begin with {@link Hub}.
 */
package org.ringworld.checkpoints.hub;
