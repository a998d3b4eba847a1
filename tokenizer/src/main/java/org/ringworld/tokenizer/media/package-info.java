/**
 * Pictures and video: files to frames and back. Begin with {@link MediaFile}, which tells what a
 * file is; a frame is a {@link Picture}.
 */
package org.ringworld.tokenizer.media;
