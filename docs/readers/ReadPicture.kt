// Pixels for an exported model on Android, by the words of its export.json; from API 28, without a library.
//
//   val outside = JSONObject(assets.open("export.json").reader().readText()).getJSONObject("outside")
//   val pixels = readPicture(ImageDecoder.createSource(contentResolver, uri), outside)  // uint8, for model.tflite

import android.graphics.Bitmap
import android.graphics.ImageDecoder
import kotlin.math.abs
import kotlin.math.floor
import kotlin.math.max
import kotlin.math.min
import kotlin.math.rint
import org.json.JSONObject

private const val BITS = 22 // Pillow's weights are whole numbers of 2 ** -22

private class Weights(val first: Int, val values: LongArray)

fun readPicture(source: ImageDecoder.Source, outside: JSONObject): ByteArray {
    // ImageDecoder turns the picture by its EXIF orientation; hardware bitmaps hide their pixels.
    val bitmap = ImageDecoder.decodeBitmap(source) { decoder, _, _ ->
        decoder.allocator = ImageDecoder.ALLOCATOR_SOFTWARE
        decoder.isUnpremultipliedRequired = true
    }.copy(Bitmap.Config.ARGB_8888, false)
    val colours = IntArray(bitmap.width * bitmap.height)
    bitmap.getPixels(colours, 0, bitmap.width, 0, 0, bitmap.width, bitmap.height)
    val resize = outside.getJSONObject("resize")
    require(resize.getString("filter") == "bicubic") { "this reader knows bicubic alone" }
    return fitPixels(
        colours, bitmap.width, bitmap.height, outside.getInt("size"), outside.getString("channels"),
        resize.getString("mode"), resize.getInt("pad_value"),
    )
}

/** colours: 0xAARRGGBB of an upright picture, row by row; returns size * size * channels bytes. */
fun fitPixels(
    colours: IntArray, width: Int, height: Int, size: Int, channels: String, mode: String, pad: Int,
): ByteArray {
    require(channels == "RGB" || channels == "grey") { "this reader makes RGB and grey, not $channels" }
    val count = if (channels == "grey") 1 else 3
    val plain = flatten(colours, count)
    if (mode == "stretch") return resize(plain, width, height, count, 0.0, 0.0, width.toDouble(), height.toDouble(), size, size)
    if (mode == "crop") {
        val side = min(width, height)
        val left = (width - side) / 2.0
        val top = (height - side) / 2.0
        return resize(plain, width, height, count, left, top, left + side, top + side, size, size)
    }
    require(mode == "pad") { "this reader knows crop, pad and stretch, not $mode" }
    val wide = if (width >= height) size else rint(width.toDouble() / height * size).toInt()
    val high = if (height >= width) size else rint(height.toDouble() / width * size).toInt()
    val inner = resize(plain, width, height, count, 0.0, 0.0, width.toDouble(), height.toDouble(), wide, high)
    val result = ByteArray(size * size * count) { pad.toByte() }
    val left = rint((size - wide) / 2.0).toInt()
    val top = rint((size - high) / 2.0).toInt()
    for (y in 0 until high) inner.copyInto(result, ((top + y) * size + left) * count, y * wide * count, (y + 1) * wide * count)
    return result
}

private fun flatten(colours: IntArray, count: Int): ByteArray {
    val result = ByteArray(colours.size * count)
    for ((i, colour) in colours.withIndex()) {
        val alpha = colour ushr 24
        val mixed = IntArray(3) { c ->
            val level = (colour shr (16 - 8 * c)) and 255
            floor((level * alpha + 255 * (255 - alpha)) / 255.0 + 0.5).toInt() // over white
        }
        if (count == 3) for (c in 0..2) result[3 * i + c] = mixed[c].toByte()
        else result[i] = ((19595 * mixed[0] + 38470 * mixed[1] + 7471 * mixed[2] + 32768) shr 16).toByte()
    }
    return result
}

private fun resize(
    pixels: ByteArray, width: Int, height: Int, count: Int,
    left: Double, top: Double, right: Double, bottom: Double, wide: Int, high: Int,
): ByteArray {
    val across = weigh(width, left, right, wide)
    val down = weigh(height, top, bottom, high)
    val narrow = ByteArray(wide * height * count)
    for (y in 0 until height) for (x in 0 until wide) for (c in 0 until count)
        narrow[(y * wide + x) * count + c] = sum(across[x]) { pixels[(y * width + it) * count + c] }
    val result = ByteArray(wide * high * count)
    for (y in 0 until high) for (x in 0 until wide) for (c in 0 until count)
        result[(y * wide + x) * count + c] = sum(down[y]) { narrow[(it * wide + x) * count + c] }
    return result
}

private inline fun sum(weights: Weights, at: (Int) -> Byte): Byte {
    var total = 1L shl (BITS - 1)
    for (k in weights.values.indices) total += weights.values[k] * (at(weights.first + k).toInt() and 255)
    return (total shr BITS).coerceIn(0L, 255L).toByte()
}

private fun weigh(before: Int, from: Double, to: Double, after: Int): Array<Weights> {
    val scale = (to - from) / after
    val wider = max(scale, 1.0)
    return Array(after) { i ->
        val center = from + (i + 0.5) * scale
        val first = max(0, (center - 2 * wider + 0.5).toInt())
        val last = min(before, (center + 2 * wider + 0.5).toInt())
        val raw = DoubleArray(last - first) { k -> bicubic((first + k - center + 0.5) / wider) }
        val whole = raw.sum()
        Weights(first, LongArray(raw.size) { k -> (raw[k] / whole * (1 shl BITS) + if (raw[k] < 0) -0.5 else 0.5).toLong() })
    }
}

private fun bicubic(x: Double): Double {
    val d = abs(x)
    return if (d < 1) (1.5 * d - 2.5) * d * d + 1 else if (d < 2) (((d - 5) * d + 8) * d - 4) * -0.5 else 0.0
}
